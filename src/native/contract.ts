/**
 * Everything that the addon offers, in one place. These are the names and types of binding/addon.cpp; the rest of the
 * package meets them through `tensor/` and `classifiers/`, which add what users need (checks in their words, disposal,
 * AbortSignals).
 */
export type NativeDtype = "float32" | "float64" | "int32";
export type NativeData = Float32Array | Float64Array | Int32Array;

/** A tensor whose value may still be queued; its shape and dtype are known. */
export interface NativeTensor {
  readonly shape: number[];
  readonly dtype: NativeDtype;
  /** A copy, row-major, once it has been computed. Rejects with what went wrong in making it. */
  data(): Promise<NativeData>;
  /** Frees the memory when the operations queued on it are done. A second call does nothing. */
  dispose(): void;
}

/** Operands are tensors of the same shape and dtype, or numbers, which are rounded to the tensor's dtype first. */
export type BinaryOperation = "add" | "subtract" | "multiply" | "divide" | "maximum" | "minimum";
export type UnaryOperation = "sign" | "abs" | "maxPerSample" | "minPerSample";

/** A flag that stops the work that it was given to. */
export interface NativeCancellation {
  request(): void;
}

export interface NativeLayer {
  readonly kind: "conv" | "average-pool" | "linear" | "output";
  readonly name: string;
  readonly inputShape: readonly number[];
  readonly outputShape: readonly number[];
  readonly kernel?: number;
  /** Of a convolution; 1 unless given. */
  readonly stride?: number;
  /** A second input of a convolution's neurons: the output of an earlier layer, by a 1x1 convolution if it has a weight. */
  readonly shortcut?: {
    /** Index of the layer. */
    readonly from: number;
    readonly stride?: number;
    readonly weight?: NativeData;
    readonly weightShape?: readonly number[];
  };
  readonly weight?: NativeData;
  readonly weightShape?: readonly number[];
  readonly threshold?: number;
  readonly leak?: number;
}

export interface NativeNetworkPlan {
  readonly layers: readonly NativeLayer[];
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly timesteps: number;
  readonly surrogate: { readonly shape: string; readonly a: number; readonly scale: string };
  readonly dtype: "float32" | "float64";
  /** "spiking" unless given; layers of "relu" have no thresholds and leaks, and the network has one time step. */
  readonly neurons?: "spiking" | "relu";
  /** Rate coding with the low and the high word of its seed; direct coding unless given. */
  readonly rateCoding?: { readonly key: readonly [low: number, high: number] };
  readonly kernels: NativeKernelChoice;
  /** "cpu", "cuda" (the first GPU) or "cuda:N" */
  readonly device: string;
  /** On a GPU only. */
  readonly tf32: boolean;
  /** Whether the memory of the weights is to be freed once the network has its own: the arrays are then detached. */
  readonly releaseWeights: boolean;
}

/** What is absent is chosen by the addon. */
export interface NativeKernelChoice {
  readonly engine?: "plain" | "multistep";
  readonly instructionSet?: string;
  readonly forward?: "levels" | "events";
  readonly backward?: "digits" | "winograd" | "products";
}

export interface NativeLayerProfile {
  readonly name: string;
  readonly forward: string;
  readonly backward: string;
  readonly density: number;
  readonly forwardSeconds: number;
  readonly backwardSeconds: number;
}

export interface NativeLayerTrace {
  readonly current?: NativeTensor;
  readonly membrane?: NativeTensor;
  readonly output: NativeTensor;
}

/** Which random numbers a call draws under rate coding. */
export interface NativeDraws {
  /** Whole numbers; 0, 1, 2, ... unless given. */
  readonly samples?: Float64Array;
  readonly pass?: number;
}

/** Every promise rejects with code ABORTED once its cancellation is requested. */
export interface NativeSpikingNetwork {
  evaluate(
    images: NativeTensor,
    cancellation?: NativeCancellation,
    draws?: NativeDraws,
  ): Promise<{
    logits: NativeTensor;
    /** [N][counted layer][time step] */
    counts: Int32Array;
    /** [N][connection from spikes][2]: `Evaluation::reached` in spiking_network.h */
    reached: Float64Array;
  }>;
  inputGradient(
    images: NativeTensor,
    labels: Int32Array,
    cancellation?: NativeCancellation,
    draws?: NativeDraws,
  ): Promise<{
    gradient: NativeTensor;
    losses: NativeTensor;
    logits: NativeTensor;
    counts: Int32Array;
    reached: Float64Array;
  }>;
  trace(
    images: NativeTensor,
    cancellation?: NativeCancellation,
    draws?: NativeDraws,
  ): Promise<NativeLayerTrace[]>;
  traceLayer(
    layer: number,
    input: NativeTensor,
    /** Of a layer that a shortcut leads to. */
    shortcut?: NativeTensor,
    cancellation?: NativeCancellation,
  ): Promise<NativeLayerTrace>;
  readonly kernels: string;
  profile(): Promise<NativeLayerProfile[]>;
  dispose(): void;
}

export interface NativeScriptMethod {
  readonly name: string;
  /** "forward(Tensor x) -> Tensor" */
  readonly signature: string;
}

export interface NativeScriptPlan {
  readonly inputShape: readonly number[];
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Path of the logits among the outputs; found by shape if absent. */
  readonly output?: string;
  readonly classes?: number;
  readonly microBatch?: number;
  readonly allowZeroGradient: boolean;
}

/** A loaded TorchScript program. */
export interface NativeScriptModule {
  readonly methods: readonly NativeScriptMethod[];
  readonly dtype: "float32" | "float64";
  /** Whether it was saved in training mode; it is run in evaluation mode. */
  readonly wasTraining: boolean;
  /** Rejects with SCRIPT_FAILED if the script stops. */
  forward(input: NativeTensor): Promise<{ readonly path: string; readonly tensor: NativeTensor }[]>;
  /** Runs the script to learn its classes. The classifier keeps the program beyond this object's disposal. */
  classifier(plan: NativeScriptPlan, cancellation?: NativeCancellation): Promise<NativeScriptClassifier>;
  dispose(): void;
}

export interface NativeScriptClassifier {
  readonly classes: number;
  readonly output: string;
  readonly microBatch: number;
  /** Why micro-batches have one image; empty if they have more, or were asked for. */
  readonly whySingle: string;
  readonly repeatable: boolean;
  readonly changesItself: boolean;
  logits(images: NativeTensor, cancellation?: NativeCancellation): Promise<NativeTensor>;
  inputGradient(
    images: NativeTensor,
    labels: Int32Array,
    cancellation?: NativeCancellation,
  ): Promise<{ gradient: NativeTensor; losses: NativeTensor; logits: NativeTensor }>;
  dispose(): void;
}

/** A spiking network to be written as TorchScript. */
export interface NativeScriptExport extends Omit<
  NativeNetworkPlan,
  "kernels" | "device" | "tf32" | "rateCoding" | "releaseWeights"
> {
  /** What the tensors of each layer are called; without those that it has not. */
  readonly keys: readonly {
    readonly weight?: string;
    readonly threshold?: string;
    readonly leak?: string;
    readonly shortcut?: string;
  }[];
  readonly withNormalisation: boolean;
  readonly withSpikes: boolean;
  /** Name and content of the extra file. */
  readonly metadataName: string;
  readonly metadata: string;
}

/** A network to be trained, with its optimizer and method. Weights are those to begin with, unless `initialise` draws them. */
export interface NativeTrainingPlan extends Omit<NativeNetworkPlan, "kernels" | "tf32" | "releaseWeights"> {
  /** Rectified: the ANN twin, with one time step. */
  readonly activation: "spiking" | "rectified";
  /** Per layer: whether a mask lies behind its neurons. */
  readonly dropout: readonly boolean[];
  readonly dropoutRate: number;
  readonly optimizer: {
    readonly kind: "sgd" | "adam";
    readonly momentum: number;
    readonly weightDecay: number;
    readonly beta1: number;
    readonly beta2: number;
    readonly epsilon: number;
    readonly amsgrad: boolean;
    readonly trainThresholds: boolean;
    readonly trainLeaks: boolean;
  };
  readonly noise: {
    readonly periods: number;
    readonly step: number;
    readonly bound: number;
    readonly recompute: boolean;
    readonly keep: boolean;
  };
  /** The low and the high word. */
  readonly seed: readonly [number, number];
  readonly initialise: boolean;
  /** Whether libtorch's dense layers are asked for; on a GPU they are what trains. */
  readonly plain: boolean;
  /** Whether they multiply in bfloat16. */
  readonly mixedPrecision: boolean;
}

/** A network in training. Work is done in the order of the calls. */
export interface NativeTraining {
  /**
   * A pass and an update for each period of the method.
   *
   * @param samples the bits are those of unsigned numbers
   * @param number of the mini-batch, from the beginning of the training on: of dropout
   * @param epoch from 1: of rate coding's draws, with the period
   */
  step(
    images: NativeTensor,
    labels: Int32Array,
    samples: Int32Array,
    number: number,
    epoch: number,
    learningRate: number,
    cancellation?: NativeCancellation,
  ): Promise<{
    /** Of each period. */
    losses: Float64Array;
    correct: Float64Array;
    /** Per counted layer, over samples and time steps. */
    spikes: Float64Array;
    gradientNorm: number;
    /** Per layer of neurons, after the update. */
    thresholds: Float64Array;
    leaks: Float64Array;
  }>;
  /** A pass without update: for comparisons. @param draw of rate coding: its pass, unless given 0 */
  pass(
    images: NativeTensor,
    labels: Int32Array,
    samples: Int32Array,
    number: number,
    imageGradient: boolean,
    seed: readonly [number, number],
    draw?: number,
    cancellation?: NativeCancellation,
  ): Promise<{
    losses: NativeTensor;
    logits: NativeTensor;
    counts: Int32Array;
    imageGradient?: NativeTensor;
  }>;
  /** An update by the gradients of the last pass, if no step was made since then. */
  update(learningRate: number): Promise<void>;
  /** Rate coding shows pass 0, here and in calibration. */
  evaluate(
    images: NativeTensor,
    samples: Int32Array,
    cancellation?: NativeCancellation,
  ): Promise<{ logits: NativeTensor; counts: Int32Array }>;
  calibrate(
    images: NativeTensor,
    samples: Int32Array,
    options: { timesteps: number; fraction: number; scale: number; blockThreshold: number },
    cancellation?: NativeCancellation,
  ): Promise<Float64Array>;
  /** Names of all that a training that goes on has to be given. */
  state(): Promise<string[]>;
  /** One of these, or "LAYER.weight/gradient", as `update` takes it. */
  read(name: string): Promise<NativeTensor>;
  write(name: string, values: NativeTensor): Promise<void>;
  readonly kernels: string;
  dispose(): void;
}

export interface NativeAddon {
  /** Hands in how errors are made: an error made by the addon itself could be of another realm's class. */
  initialise(errorFactory: (code: string, message: string) => Error): void;
  /** For the work queued from now on. */
  setThreads(count: number): void;
  tensorFrom(data: NativeData, shape: readonly number[]): NativeTensor;
  operate(operation: BinaryOperation, tensor: NativeTensor, operand: NativeTensor | number): NativeTensor;
  operate(operation: UnaryOperation, tensor: NativeTensor): NativeTensor;
  /** clamp to [first, second]; rows from `first` up to and not including `second`. */
  operate(operation: "clamp" | "rows", tensor: NativeTensor, first: number, second: number): NativeTensor;
  operate(operation: "to", tensor: NativeTensor, dtype: NativeDtype): NativeTensor;
  /** The weights' memory must not change until the promise settles; see also `releaseWeights`. */
  loadSpikingNetwork(plan: NativeNetworkPlan): Promise<NativeSpikingNetwork>;
  /** The weights' memory must not change until the promise settles. */
  loadTraining(plan: NativeTrainingPlan): Promise<NativeTraining>;
  /**
   * Loads a TorchScript archive, which may run code of it. Weights are converted to `dtype` if it is given.
   *
   * @param device as of NativeNetworkPlan
   */
  loadScriptModule(path: string, device: string, dtype?: "float32" | "float64"): Promise<NativeScriptModule>;
  /** Replaces a file at `path`. The weights' memory must not change until the promise settles. */
  exportTorchScript(network: NativeScriptExport, path: string): Promise<void>;
  /** Ends all computing in this process for good, in workers too; returns once it has ended. */
  stopAll(): void;
  /** Bytes outside its heap that Node has been told of (process.memoryUsage() does not show them). */
  externalMemory(): number;
  readonly Cancellation: new () => NativeCancellation;
  /** "2.13.0" */
  readonly libtorchVersion: string;
  readonly libtorchRoot: string;
  /** What libtorch's own kernels use: "AVX512", "AVX2", "DEFAULT", ... */
  readonly instructionSet: string;
}
