import { HireSnnError } from "../errors";
import { addon, runtimeIdentity } from "../native/addon";
import { cancellable } from "../native/cancellable";
import type { NativeLayerTrace, NativeSpikingNetwork } from "../native/contract";
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
import { checkDevice } from "./device";
import type { Loss } from "./loss";
import { nativeLayers, type NetworkWeights, type NeuronScalars } from "./native-layers";
import { resolveSurrogate, type Surrogate, type SurrogateOptions } from "./surrogate";

/** How a {@link SpikingClassifier} is built from a network and its weights. */
export interface SpikingOptions {
  /** Time steps of a forward pass. */
  readonly timesteps: number;
  /** Per channel, in pixel units; the network sees (pixel - mean) / std. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Precision of everything; float32, as the original's, unless given. */
  readonly dtype?: "float32" | "float64" | undefined;
  /** Derivative of the firing step in the gradient; the original's unless given. */
  readonly surrogate?: SurrogateOptions | undefined;
  /** Where it is computed; the CPU unless given. A GPU computes in float32. */
  readonly device?: Device | undefined;
  /**
   * On a GPU: products of 11 bits, as TF32 has them, instead of float32's. Faster, but spikes near the threshold differ.
   *
   * @default false
   */
  readonly tf32?: boolean | undefined;
  /** How it is computed on the CPU; the fastest unless given. */
  readonly kernels?: KernelOptions | undefined;
  /** What a report calls the classifier; the network's name unless given. */
  readonly name?: string | undefined;
  readonly origin?: CheckpointOrigin | undefined;
}

/**
 * Overrides of the choices that decide speed and, to the rounding of float32, results. The plain engine stands for the
 * original's arithmetic on libtorch's dense layers; the multi-step engine is several times faster.
 */
export interface KernelOptions {
  /** Unless given: multistep for every float32 network that it can run. */
  readonly engine?: "plain" | "multistep" | undefined;
  /** Of the multi-step engine; the best of the machine unless given. */
  readonly instructionSet?: "baseline" | "avx2" | "avx512" | undefined;
  /**
   * How the multi-step engine makes the sums of 3x3 convolutions with stride 1; over the active inputs ("events") unless given.
   * Winograd takes less time where more than about a quarter of the inputs are active, but its rounding errors are about twenty
   * times as large: more spikes at the threshold differ from the original's.
   */
  readonly forward?: "events" | "winograd" | undefined;
  /** How it makes their input gradients; Winograd unless given. */
  readonly backward?: "winograd" | "products" | undefined;
}

/** How one layer is computed, and what its last pass took. */
export interface LayerProfile {
  readonly name: string;
  /** The kernel of the forward pass: direct, events, winograd or dense. */
  readonly forward: string;
  /** The kernel of the gradient: direct, products, winograd or dense. */
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
  /** Where the number of time steps was taken from: the original's checkpoints do not hold it. */
  readonly timestepsFrom: "option" | "network file" | "file name" | "default";
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

/**
 * A network of integrate-and-fire neurons with leak and soft reset under direct coding: the normalised image is the input of
 * the first layer at every time step, and the logits are the sums of the output layer over all of them (not divided by their
 * number). Gradients go through all time steps with the surrogate derivative.
 */
export class SpikingClassifier implements Classifier, SpikeCounting, Identified {
  readonly network: Network;
  readonly name: string;
  readonly classes: number;
  readonly inputShape: readonly [number, number, number];
  readonly device: Device;
  readonly timesteps: number;
  readonly dtype: "float32" | "float64";
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly surrogate: Surrogate;
  /** One per spiking layer, in order. */
  readonly thresholds: readonly number[];
  readonly leaks: readonly number[];
  readonly countedLayers: readonly CountedLayer[];
  readonly connections: readonly Connection[];
  /** Absent for a classifier that was not read from a file. */
  readonly origin: CheckpointOrigin | undefined;
  /** What computes it: "plain", or "multistep avx512; ..." with the kernels of its layers. */
  readonly kernels: string;
  readonly #native: NativeSpikingNetwork;

  private constructor(
    native: NativeSpikingNetwork,
    network: Network,
    options: SpikingOptions,
    surrogate: Surrogate,
    neurons: readonly NeuronScalars[],
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
    this.surrogate = surrogate;
    this.thresholds = neurons.map(({ threshold }) => threshold);
    this.leaks = neurons.map(({ leak }) => leak);
    this.origin = options.origin;
    this.connections = connectionsOf(network);
    this.countedLayers = countedLayersOf(network);
  }

  /**
   * Builds a network from its description and its tensors, which are copied.
   *
   * @throws HireSnnError NETWORK_INVALID if tensors and description do not fit, INVALID_ARGUMENT for the options,
   *   DEVICE_UNAVAILABLE if there is no such GPU
   */
  static async create(
    network: Network,
    weights: NetworkWeights,
    options: SpikingOptions,
  ): Promise<SpikingClassifier> {
    if (!Number.isInteger(options.timesteps) || options.timesteps < 1) {
      throw new HireSnnError(
        "INVALID_ARGUMENT",
        `Expected a whole number of at least 1 for timesteps but received ${options.timesteps}`,
      );
    }
    const surrogate = resolveSurrogate(options.surrogate);
    const { layers, neurons } = nativeLayers(network, weights);
    const native = await addon().loadSpikingNetwork({
      layers,
      mean: options.mean,
      std: options.std,
      timesteps: options.timesteps,
      surrogate,
      dtype: options.dtype ?? "float32",
      kernels: present(options.kernels ?? {}),
      device: checkDevice(options.device ?? "cpu"),
      tf32: options.tf32 ?? false,
    });
    return new SpikingClassifier(native, network, options, surrogate, neurons);
  }

  /** What decides the numbers of this classifier, as JSON. */
  get identity(): Readonly<Record<string, unknown>> {
    const { libtorch, instructionSet } = runtimeIdentity();
    return {
      network: this.network.name,
      sha256: this.origin?.sha256 ?? null,
      timesteps: this.timesteps,
      thresholds: this.thresholds,
      leaks: this.leaks,
      surrogate: this.surrogate,
      mean: this.mean,
      std: this.std,
      dtype: this.dtype,
      libtorch,
      instructionSet,
      kernels: this.kernels,
    };
  }

  /** The sums of the output layer over all time steps, [N, classes]. */
  async logits(images: Tensor, options: CallOptions = {}): Promise<Tensor> {
    return (await this.logitsAndSpikes(images, options)).logits;
  }

  /** As {@link SpikingClassifier.logits}, with the spikes of the same forward pass. */
  async logitsAndSpikes(
    images: Tensor,
    { signal }: CallOptions = {},
  ): Promise<{ logits: Tensor; spikes: SpikeCounts }> {
    const { logits, counts, reached } = await cancellable(signal, async (cancellation) =>
      this.#native.evaluate(Tensor.toNative(images), cancellation),
    );
    return {
      logits: Tensor.fromNative(logits),
      spikes: { layers: this.countedLayers, timesteps: this.timesteps, counts, reached },
    };
  }

  /** Forward through all time steps and back through all of them, with the surrogate derivative at each firing step. */
  async inputGradient(images: Tensor, loss: Loss, { signal }: CallOptions = {}): Promise<InputGradient> {
    const result = await cancellable(signal, async (cancellation) =>
      this.#native.inputGradient(Tensor.toNative(images), loss.labels, cancellation),
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
  async trace(images: Tensor, { signal }: CallOptions = {}): Promise<LayerTrace[]> {
    const traces = await cancellable(signal, async (cancellation) =>
      this.#native.trace(Tensor.toNative(images), cancellation),
    );
    return traces.map((trace, index) => this.#layerTrace(index, trace));
  }

  /**
   * Runs one layer on a given input, whatever the layers before it would have sent.
   *
   * @param name of a layer in {@link countedLayers}
   * @param input [T, N, C, H, W] (or [T, N, features] for a linear layer)
   */
  async traceLayer(name: string, input: Tensor, { signal }: CallOptions = {}): Promise<LayerTrace> {
    const index = this.countedLayers.findIndex((layer) => layer.name === name);
    if (index < 0) {
      const names = this.countedLayers.map((layer) => layer.name).join(", ");
      throw new HireSnnError("INVALID_ARGUMENT", `Expected one of ${names} for layer but received ${name}`);
    }
    const trace = await cancellable(signal, async (cancellation) =>
      this.#native.traceLayer(index, Tensor.toNative(input), cancellation),
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

  /** As {@link SpikingClassifier[Symbol.dispose]}, where there is no `using`. */
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

/** Without the keys that are undefined. */
function present<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
