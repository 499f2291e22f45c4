import type { Connection } from "../networks/connections";
import type { Tensor } from "../tensor/tensor";
import type { Loss } from "./loss";

/** Where a classifier computes: the CPU, or a GPU as CUDA counts them ("cuda" is the first). */
export type Device = "cpu" | "cuda" | `cuda:${number}`;

/** What every call of a classifier may be given beside the images. */
export interface CallOptions {
  /** Stops the work within one layer; the promise is then rejected with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * The index of each sample in its data set, for a classifier that draws random numbers: what it draws for a sample depends on it, and
   * not on the batch that the sample is in. @default 0, 1, 2, ...
   */
  readonly sampleIndices?: ArrayLike<number> | undefined;
  /**
   * Which draw of a classifier that draws random numbers: each number has its own, the same at every call. Accuracies are of pass 0;
   * attacks take others, one for each gradient, so that none of them sees what judges its outcome. @default 0
   */
  readonly pass?: number | undefined;
}

/** The gradient of a loss by the images, and what the same passes computed on the way. The caller disposes the tensors. */
export interface InputGradient {
  /** `[N, C, H, W]`: the gradient of the sum of the losses by each pixel, normalisation included. */
  readonly gradient: Tensor;
  /** `[N]`: the loss of each sample. */
  readonly losses: Tensor;
  /** [N, classes] at the given images. */
  readonly logits: Tensor;
  /** Of the forward pass, from a classifier that counts them. */
  readonly spikes?: SpikeCounts;
}

/**
 * What can be attacked: a map from images with pixels in [0, 1] to logits that can give the input gradient of a loss. It
 * owns its normalisation, so that a perturbation always lives in pixel space. Everything above this interface (attacks,
 * protocols, reports) works with any implementation, one in plain JavaScript included.
 *
 * The caller disposes the tensors that it receives. An implementation keeps nothing of a call for the next one, and the
 * result of a sample does not depend on its neighbours in the batch.
 */
export interface Classifier {
  /** What a report calls this classifier. */
  readonly name: string;
  readonly classes: number;
  /** [C, H, W] of one image. */
  readonly inputShape: readonly [number, number, number];
  readonly device: Device;
  /** Whether it draws random numbers, so that its answers depend on `sampleIndices` and `pass`. @default false */
  readonly randomised?: boolean;
  /**
   * What the classifier says of the images.
   *
   * @param images [N, C, H, W], pixels in [0, 1]
   * @returns [N, classes]
   */
  logits(images: Tensor, options?: CallOptions): Promise<Tensor>;
  /**
   * The gradient of a loss by the pixels: what a white-box attack follows.
   *
   * @param images [N, C, H, W], pixels in [0, 1]
   * @param loss with one label per image
   */
  inputGradient(images: Tensor, loss: Loss, options?: CallOptions): Promise<InputGradient>;
  /** Frees what the classifier holds, for `using`. A second call does nothing. */
  [Symbol.dispose](): void;
}

/** The spikes of a batch, layer by layer and time step by time step. */
export interface SpikeCounts {
  /** The counted layers in the order of the network: spiking layers, and pools with their non-zero outputs. */
  readonly layers: readonly CountedLayer[];
  readonly timesteps: number;
  /**
   * [N][layer][time step], row-major: how many neurons of the layer fired (how many outputs of a pool, or of rectified linear units, were
   * not zero).
   */
  readonly counts: Int32Array;
  /**
   * [N][connection but the image's][2], row-major, of {@link SpikeCounting.connections}; absent from a classifier that does not count
   * it. First: output positions that the inputs reach, added up over the inputs that are not zero and the time steps; at a border or
   * under a stride an input reaches fewer than k * k of them. Second: the same with each input as often as neurons have fired for it,
   * which behind a 2x2 pool is one to four times, otherwise once. Times the output's channels these are synaptic operations. Exact
   * integers, which may exceed 2^31.
   */
  readonly reached?: Float64Array;
}

/** A layer whose spikes are counted. */
export interface CountedLayer {
  readonly name: string;
  readonly kind: "conv" | "average-pool" | "linear";
  /** Outputs of the layer per image and time step. */
  readonly neurons: number;
}

/** A classifier that also counts its spikes. */
export interface SpikeCounting {
  readonly countedLayers: readonly CountedLayer[];
  /** All weights and what they connect, the image's first; absent from a classifier that counts spikes alone. */
  readonly connections?: readonly Connection[];
  readonly timesteps: number;
  /** As {@link Classifier.logits}, with the spikes of the same forward pass. */
  logitsAndSpikes(images: Tensor, options?: CallOptions): Promise<{ logits: Tensor; spikes: SpikeCounts }>;
}

/** Whether a classifier counts its spikes: by its methods, so that one in plain JavaScript is recognised too. */
export function countsSpikes(classifier: Classifier): classifier is Classifier & SpikeCounting {
  return "logitsAndSpikes" in classifier;
}

/** A classifier that says what decides its numbers, so that a run can be repeated and is never mixed with another. */
export interface Identified {
  /**
   * JSON: hash of the file, network, time steps, surrogate, statistics, dtype, libtorch, instruction set and kernel path. Nothing
   * that may change between runs with the same numbers, such as paths and threads.
   */
  readonly identity: Readonly<Record<string, unknown>>;
}

/** Whether a classifier says what decides its numbers. */
export function isIdentified(classifier: Classifier): classifier is Classifier & Identified {
  return "identity" in classifier;
}
