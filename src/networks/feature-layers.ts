import { HireSnnError } from "../errors";
import type { ConvLayer, Layer, Shape, SpikingKeys } from "./network";

/** A convolution's output channels, or "A": average pooling, in place of the dropout behind the last convolution. */
export type Feature = number | "A";

/** In the original's module lists, each convolution and each hidden linear layer is followed by a ReLU and a dropout. */
export const MODULES_PER_LAYER = 3;

/** Keys of a spiking layer whose threshold and leak have a number. */
export function spikingKeys(weight: string, index: number): SpikingKeys {
  return { weight, threshold: `threshold.t${index}`, leak: `leak.l${index}` };
}

export interface FeatureLayers {
  readonly layers: readonly Layer[];
  /** What the last of them gives. */
  readonly shape: Shape;
  /** Length of the module list, where the numbers of later layers go on. */
  readonly modules: number;
}

/**
 * Convolutions of stride 1 and pools as the original's module list has them: pooling takes the place of a dropout, so that the position
 * of pools is not in the keys.
 *
 * @param part name of the module list: "features"
 * @throws HireSnnError NETWORK_INVALID if the layers cannot be built, with the reason
 */
export function featureLayers(
  name: string,
  features: readonly Feature[],
  { inputShape, kernel, part }: { inputShape: Shape; kernel: number; part: string },
): FeatureLayers {
  checkNetwork(name, "at least one convolution", features.length > 0);
  checkNetwork(name, "sizes of the input above 0", inputShape.every(isSize));
  checkNetwork(name, `an odd kernel, found ${kernel}`, isSize(kernel) && kernel % 2 === 1);
  const layers: Layer[] = [];
  let shape: Shape = inputShape;
  let convolutions = 0;
  let pools = 0;
  for (const feature of features) {
    const [channels, height, width] = shape;
    if (feature === "A") {
      const previous = layers.at(-1)?.kind;
      checkNetwork(name, "each A behind a convolution", previous === "conv");
      checkNetwork(
        name,
        `maps of at least 2x2 before pool ${pools + 1}, found ${height}x${width}`,
        height >= 2 && width >= 2,
      );
      const pooled: Shape = [channels, Math.floor(height / 2), Math.floor(width / 2)];
      layers.push({ kind: "average-pool", name: `pool${++pools}`, inputShape: shape, outputShape: pooled });
      shape = pooled;
    } else {
      checkNetwork(name, `convolutions of at least one channel, found ${feature}`, isSize(feature));
      const index = MODULES_PER_LAYER * convolutions;
      const keys = spikingKeys(`${part}.${index}.weight`, index);
      const layer = convolution(`conv${++convolutions}`, shape, feature, { kernel, stride: 1, keys });
      layers.push(layer);
      shape = layer.outputShape;
    }
  }
  return { layers, shape, modules: MODULES_PER_LAYER * convolutions };
}

/** A convolution with padding (kernel - 1) / 2, whose map follows from the stride. */
export function convolution(
  name: string,
  inputShape: Shape,
  channels: number,
  { kernel, stride, keys }: { kernel: number; stride: number; keys: SpikingKeys },
): ConvLayer {
  const side = (size: number): number => Math.floor((size - 1) / stride) + 1;
  const outputShape: Shape = [channels, side(inputShape[1]), side(inputShape[2])];
  return {
    ...{ kind: "conv", name, inputShape, outputShape, kernel },
    ...(stride !== 1 && { stride }),
    keys,
  };
}

/** Whether a value is a size: a whole number above 0. */
export function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0;
}

/** @throws HireSnnError NETWORK_INVALID unless the condition holds */
export function checkNetwork(name: string, expected: string, holds: boolean): void {
  if (!holds) throw new HireSnnError("NETWORK_INVALID", `Expected ${expected} in network ${name}.`);
}
