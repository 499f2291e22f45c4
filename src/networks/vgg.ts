import { HireSnnError } from "../errors";
import type { Layer, Network, Shape, SpikingKeys } from "./network";

/** A convolution's output channels, or "A": average pooling, in place of the dropout behind the last convolution. */
export type Feature = number | "A";

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

/** In the original's module lists, each convolution and each hidden linear layer is followed by a ReLU and a dropout. */
const MODULES_PER_LAYER = 3;

/**
 * Builds a VGG network. The first linear layer's size is derived from the feature map. Keys are those of the original's
 * module lists, in which pooling takes the place of a dropout: the position of pools is not in the keys.
 *
 * @throws HireSnnError NETWORK_INVALID if the description cannot be built, with the reason
 */
export function buildVgg(description: VggDescription): Network {
  const { name, features, hidden, classes, inputShape, kernel } = description;
  check(name, "at least one convolution", features.length > 0);
  check(name, "sizes of the input above 0", inputShape.every(isSize));
  check(name, `an odd kernel, found ${kernel}`, isSize(kernel) && kernel % 2 === 1);
  check(name, `at least two classes, found ${classes}`, isSize(classes) && classes >= 2);

  const layers: Layer[] = [];
  const keysOf = (weight: string, index: number): SpikingKeys => ({
    weight,
    threshold: `threshold.t${index}`,
    leak: `leak.l${index}`,
  });
  let shape: Shape = inputShape;
  let convolutions = 0;
  let pools = 0;
  for (const feature of features) {
    const [channels, height, width] = shape;
    if (feature === "A") {
      const previous = layers.at(-1)?.kind;
      check(name, "each A behind a convolution", previous === "conv");
      check(
        name,
        `maps of at least 2x2 before pool ${pools + 1}, found ${height}x${width}`,
        height >= 2 && width >= 2,
      );
      const pooled: Shape = [channels, Math.floor(height / 2), Math.floor(width / 2)];
      layers.push({ kind: "average-pool", name: `pool${++pools}`, inputShape: shape, outputShape: pooled });
      shape = pooled;
    } else {
      check(name, `convolutions of at least one channel, found ${feature}`, isSize(feature));
      const index = MODULES_PER_LAYER * convolutions;
      const outputShape: Shape = [feature, height, width];
      const keys = keysOf(`features.${index}.weight`, index);
      layers.push({
        kind: "conv",
        name: `conv${++convolutions}`,
        inputShape: shape,
        outputShape,
        kernel,
        keys,
      });
      shape = outputShape;
    }
  }

  // The first linear layer takes the feature map as one vector.
  let linears = 0;
  for (const width of hidden) {
    check(name, `linear layers of at least one neuron, found ${width}`, isSize(width));
    const index = MODULES_PER_LAYER * linears;
    const keys = keysOf(`classifier.${index}.weight`, MODULES_PER_LAYER * convolutions + index);
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

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0;
}

function check(name: string, expected: string, holds: boolean): void {
  if (!holds) throw new HireSnnError("NETWORK_INVALID", `Expected ${expected} in network ${name}.`);
}
