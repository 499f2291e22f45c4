import {
  checkNetwork,
  featureLayers,
  isSize,
  MODULES_PER_LAYER,
  spikingKeys,
  type Feature,
} from "./feature-layers";
import type { Layer, Network, Shape } from "./network";

export interface VggDescription {
  readonly name: string;
  readonly features: readonly Feature[];
  /** Widths of the hidden linear layers. */
  readonly hidden: readonly number[];
  readonly classes: number;
  /** [C, H, W] */
  readonly inputShape: Shape;
  /** Side of every convolution's kernel; odd, so that padding keeps the map's size. */
  readonly kernel: number;
}

/**
 * Builds a VGG network. The first linear layer's size is derived from the feature map. Keys are those of the original's
 * module lists.
 *
 * @throws HireSnnError NETWORK_INVALID if the description cannot be built, with the reason
 */
export function buildVgg(description: VggDescription): Network {
  const { name, features, hidden, classes, inputShape, kernel } = description;
  checkNetwork(name, `at least two classes, found ${classes}`, isSize(classes) && classes >= 2);
  const convolutional = featureLayers(name, features, { inputShape, kernel, part: "features" });
  const layers: Layer[] = [...convolutional.layers];
  let { shape } = convolutional;

  // The first linear layer takes the feature map as one vector.
  let linears = 0;
  for (const width of hidden) {
    checkNetwork(name, `linear layers of at least one neuron, found ${width}`, isSize(width));
    const index = MODULES_PER_LAYER * linears;
    const keys = spikingKeys(`classifier.${index}.weight`, convolutional.modules + index);
    const outputShape: Shape = [width, 1, 1];
    layers.push({ kind: "linear", name: `linear${++linears}`, inputShape: shape, outputShape, keys });
    shape = outputShape;
  }
  layers.push({
    kind: "output",
    name: "output",
    inputShape: shape,
    outputShape: [classes, 1, 1],
    keys: { weight: `classifier.${MODULES_PER_LAYER * linears}.weight` },
  });
  return { name, inputShape, classes, layers };
}
