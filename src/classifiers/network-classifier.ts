import { HireSnnError } from "../errors";
import { runtimeIdentity } from "../native/addon";
import { cancellable } from "../native/cancellable";
import type { NativeDraws, NativeLayerTrace, NativeSpikingNetwork } from "../native/contract";
import { connectionsOf, type Connection } from "../networks/connections";
import type { Network } from "../networks/network";
import { Tensor } from "../tensor/tensor";
import type {
  CallOptions,
  Classifier,
  CountedLayer,
  Device,
  Identified,
  InputGradient,
  SpikeCounting,
  SpikeCounts,
} from "./classifier";
import { countedLayersOf } from "./counted-layers";
import type { Loss } from "./loss";

/** How one layer is computed, and what its last pass took. */
export interface LayerProfile {
  readonly name: string;
  /** The kernel of the forward pass: direct, levels, events or dense. */
  readonly forward: string;
  /** The kernel of the gradient: direct, digits, products, winograd, winograd with digits, or dense. */
  readonly backward: string;
  /** Share of the layer's inputs, over images and time steps, that were not zero; 0 where it is not counted. */
  readonly density: number;
  /** Of the last micro-batch. */
  readonly forwardSeconds: number;
  /** Of the last micro-batch, with the neurons of the layer before. */
  readonly backwardSeconds: number;
}

/** The file that a classifier was read from, and what was concluded in reading it. */
export interface CheckpointOrigin {
  readonly path: string;
  readonly sha256: string;
  /** What named the network. */
  readonly networkFrom: "option" | "network file" | "tensors";
  /** Other names of the same architecture. */
  readonly networkAliases: readonly string[];
  /** Where the number of time steps was taken from: the original's checkpoints do not hold it. Absent for an ANN. */
  readonly timestepsFrom?: "option" | "network file" | "file name" | "default";
  /** Oddities of the file, as sentences. */
  readonly warnings: readonly string[];
}

/** What one layer received and did at every time step. */
export interface LayerTrace {
  readonly layer: CountedLayer;
  /** `[T, N, C, H, W]`: the weighted input of each neuron. */
  readonly current?: Tensor;
  /** `[T, N, C, H, W]`: the membrane after integration, before firing; absent for a pool. */
  readonly membrane?: Tensor;
  /** `[T, N, C, H, W]`: spikes (0 or 1), or a pool's means of them. */
  readonly output: Tensor;
}

/** What every classifier that is built from a network's description and tensors is given beside them. */
export interface NetworkClassifierOptions {
  /** Per channel, in pixel units; the network sees (pixel - mean) / std. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Precision of everything; float32, as the original's, unless given. */
  readonly dtype?: "float32" | "float64" | undefined;
  /** What a report calls the classifier; the network's name unless given. */
  readonly name?: string | undefined;
  readonly origin?: CheckpointOrigin | undefined;
}

/** A network of known layers and tensors, computed by the engine: what a spiking network and its ANN twin have in common. */
export abstract class NetworkClassifier implements Classifier, SpikeCounting, Identified {
  readonly network: Network;
  readonly name: string;
  readonly classes: number;
  readonly inputShape: readonly [number, number, number];
  readonly device: Device;
  readonly timesteps: number;
  readonly dtype: "float32" | "float64";
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly countedLayers: readonly CountedLayer[];
  readonly connections: readonly Connection[];
  /** Absent for a classifier that was not read from a file. */
  readonly origin: CheckpointOrigin | undefined;
  /** What computes it: "plain", or "multistep avx512; ..." with the kernels of its layers. */
  readonly kernels: string;
  readonly #native: NativeSpikingNetwork;

  /** @internal */
  protected constructor(
    native: NativeSpikingNetwork,
    network: Network,
    options: NetworkClassifierOptions & { readonly timesteps: number; readonly device?: Device | undefined },
  ) {
    this.#native = native;
    this.kernels = native.kernels;
    this.network = network;
    this.name = options.name ?? network.name;
    this.classes = network.classes;
    this.inputShape = network.inputShape;
    this.timesteps = options.timesteps;
    this.device = options.device ?? "cpu";
    this.dtype = options.dtype ?? "float32";
    this.mean = [...options.mean];
    this.std = [...options.std];
    this.origin = options.origin;
    this.connections = connectionsOf(network);
    this.countedLayers = countedLayersOf(network);
  }

  /**
   * The part of the identity that says of every such classifier which weights are computed how.
   *
   * @internal
   */
  protected get commonIdentity(): Readonly<Record<string, unknown>> {
    const { libtorch, instructionSet } = runtimeIdentity();
    return {
      network: this.network.name,
      sha256: this.origin?.sha256 ?? null,
      mean: this.mean,
      std: this.std,
      dtype: this.dtype,
      libtorch,
      instructionSet,
      kernels: this.kernels,
    };
  }

  /** What decides the numbers of this classifier, as JSON. */
  abstract get identity(): Readonly<Record<string, unknown>>;

  /** The sums of the output layer over all time steps, [N, classes]. */
  async logits(images: Tensor, options: CallOptions = {}): Promise<Tensor> {
    return (await this.logitsAndSpikes(images, options)).logits;
  }

  /** As {@link NetworkClassifier.logits}, with the spikes of the same forward pass. */
  async logitsAndSpikes(
    images: Tensor,
    options: CallOptions = {},
  ): Promise<{ logits: Tensor; spikes: SpikeCounts }> {
    const { logits, counts, reached } = await cancellable(options.signal, async (cancellation) =>
      this.#native.evaluate(Tensor.toNative(images), cancellation, drawsOf(options)),
    );
    return {
      logits: Tensor.fromNative(logits),
      spikes: { layers: this.countedLayers, timesteps: this.timesteps, counts, reached },
    };
  }

  /** Forward through all time steps and back through all of them, with the surrogate derivative at each firing step. */
  async inputGradient(images: Tensor, loss: Loss, options: CallOptions = {}): Promise<InputGradient> {
    const result = await cancellable(options.signal, async (cancellation) =>
      this.#native.inputGradient(Tensor.toNative(images), loss.labels, cancellation, drawsOf(options)),
    );
    return {
      gradient: Tensor.fromNative(result.gradient),
      losses: Tensor.fromNative(result.losses),
      logits: Tensor.fromNative(result.logits),
      spikes: {
        layers: this.countedLayers,
        timesteps: this.timesteps,
        counts: result.counts,
        reached: result.reached,
      },
    };
  }

  /**
   * Runs the network and keeps what every layer but the output did at every time step: for raster plots and for comparing
   * implementations. Memory grows with N x T x neurons; the caller disposes the tensors.
   *
   * @param images [N, C, H, W], pixels in [0, 1]
   */
  async trace(images: Tensor, options: CallOptions = {}): Promise<LayerTrace[]> {
    const traces = await cancellable(options.signal, async (cancellation) =>
      this.#native.trace(Tensor.toNative(images), cancellation, drawsOf(options)),
    );
    return traces.map((trace, index) => this.#layerTrace(index, trace));
  }

  /**
   * Runs one layer on a given input, whatever the layers before it would have sent.
   *
   * @param name of a layer in {@link countedLayers}
   * @param input [T, N, C, H, W] (or [T, N, features] for a linear layer)
   * @param options with the second input of a layer that a shortcut leads to: the output of the layer where it starts
   */
  async traceLayer(
    name: string,
    input: Tensor,
    { signal, shortcut }: CallOptions & { readonly shortcut?: Tensor | undefined } = {},
  ): Promise<LayerTrace> {
    const index = this.countedLayers.findIndex((layer) => layer.name === name);
    if (index < 0) {
      const names = this.countedLayers.map((layer) => layer.name).join(", ");
      throw new HireSnnError("INVALID_ARGUMENT", `Expected one of ${names} for layer but received ${name}`);
    }
    const trace = await cancellable(signal, async (cancellation) =>
      this.#native.traceLayer(
        index,
        Tensor.toNative(input),
        shortcut && Tensor.toNative(shortcut),
        cancellation,
      ),
    );
    return this.#layerTrace(index, trace);
  }

  /** How each layer with weights is computed, and what the last pass over it took. */
  async profile(): Promise<LayerProfile[]> {
    return await this.#native.profile();
  }

  /** Frees the weights. Work in flight still ends; anything later throws DISPOSED. */
  [Symbol.dispose](): void {
    this.#native.dispose();
  }

  /** As {@link NetworkClassifier[Symbol.dispose]}, where there is no `using`. */
  dispose(): void {
    this[Symbol.dispose]();
  }

  #layerTrace(index: number, trace: NativeLayerTrace): LayerTrace {
    return {
      layer: this.countedLayers[index] as CountedLayer,
      ...(trace.current && { current: Tensor.fromNative(trace.current) }),
      ...(trace.membrane && { membrane: Tensor.fromNative(trace.membrane) }),
      output: Tensor.fromNative(trace.output),
    };
  }
}

/** The random numbers of a call; what the numbers may be is for the engine to say, but it takes whole ones alone. */
function drawsOf({ sampleIndices, pass }: CallOptions): NativeDraws {
  const samples = sampleIndices && Float64Array.from(sampleIndices);
  for (const number of [...(samples ?? []), pass ?? 0]) {
    if (Number.isSafeInteger(number)) continue;
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected integers from 0 to 2^32 - 1 for sampleIndices and pass but received ${number}`,
    );
  }
  return { ...(samples && { samples }), ...(pass !== undefined && { pass }) };
}
