/**
 * A network as data: what the engine runs and what a report names. Layers stand in the order of computation; shapes are
 * those of one image at one time step.
 */
export interface Network {
  /** As a user knows it: "VGG11", "VGG11 (DIET-SNN)", "8,A,16,16,A/64,10". */
  readonly name: string;
  /** [C, H, W] */
  readonly inputShape: Shape;
  readonly classes: number;
  readonly layers: readonly Layer[];
  /**
   * What follows the weighted sums of every layer but the output: integrate-and-fire neurons, or the rectified linear units of the ANN
   * twin, whose checkpoint has the weights under the same keys and neither thresholds nor leaks. @default "spiking"
   */
  readonly neurons?: "spiking" | "relu";
}

/** Whether a network is an ANN twin. */
export function isAnn({ neurons }: Network): boolean {
  return neurons === "relu";
}

/** The same layers with rectified linear units for neurons. */
export function annTwin(network: Network): Network {
  return { ...network, neurons: "relu" };
}

/** [C, H, W]; a linear layer's output is [features, 1, 1]. */
export type Shape = readonly [number, number, number];

/** A layer of a {@link Network}. */
export type Layer = ConvLayer | AveragePoolLayer | LinearLayer | OutputLayer;

interface LayerBase {
  /** conv1, conv2, ..., pool1, ..., linear1, ...; the last is "output". */
  readonly name: string;
  readonly inputShape: Shape;
  readonly outputShape: Shape;
}

/** Keys of a spiking layer's tensors in the checkpoint, without a `module.` prefix. */
export interface SpikingKeys {
  readonly weight: string;
  readonly threshold: string;
  readonly leak: string;
}

/** A square convolution with padding (kernel - 1) / 2, followed by neurons. */
export interface ConvLayer extends LayerBase {
  readonly kind: "conv";
  readonly kernel: number;
  /** @default 1 */
  readonly stride?: number;
  /** A second input of the same neurons, in residual networks. */
  readonly shortcut?: Shortcut;
  readonly keys: SpikingKeys;
}

/** The output of an earlier layer, added to a convolution's weighted sums: as it is, or through a 1x1 convolution. */
export interface Shortcut {
  /** Name of the layer. */
  readonly from: string;
  /** What that layer gives. */
  readonly inputShape: Shape;
  /** Of the 1x1 convolution; absent for the output as it is. */
  readonly keys?: { readonly weight: string };
  /** Of the 1x1 convolution. @default 1 */
  readonly stride?: number;
}

/** 2x2 with stride 2, on the outputs of neurons. */
export interface AveragePoolLayer extends LayerBase {
  readonly kind: "average-pool";
}

/** A fully connected layer followed by neurons. */
export interface LinearLayer extends LayerBase {
  readonly kind: "linear";
  readonly keys: SpikingKeys;
}

/** The last fully connected layer: it accumulates over the time steps without leak and never fires. */
export interface OutputLayer extends LayerBase {
  readonly kind: "output";
  readonly keys: { readonly weight: string };
}
