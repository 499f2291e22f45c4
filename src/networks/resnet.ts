import {
  checkNetwork,
  convolution,
  featureLayers,
  isSize,
  spikingKeys,
  type Feature,
} from "./feature-layers";
import type { Layer, Network, Shape, Shortcut } from "./network";

/** Residual blocks of the same width, one behind the other: `layer1`, `layer2`, ... in the keys. */
export interface ResidualLayer {
  readonly channels: number;
  readonly blocks: number;
}

export interface ResNetDescription {
  readonly name: string;
  /** In front of the blocks. */
  readonly stem: readonly Feature[];
  readonly residual: readonly ResidualLayer[];
  readonly classes: number;
  /** [C, H, W] */
  readonly inputShape: Shape;
  /** Side of every kernel but the shortcuts', which are 1x1; odd. */
  readonly kernel: number;
}

/** Of a block: its two convolutions have one threshold and leak each. */
const POSITIONS_PER_BLOCK = 2;

/**
 * Builds a residual network as DIET-SNN's RESNET_SNN_STDB has it: a stem of convolutions and pools, layers of residual blocks, and one
 * linear layer for the classes. The first block of every layer but the first has stride 2.
 *
 * A block is two convolutions with neurons behind each; the block's input is added to the weighted sums of the second, as it is where
 * the shapes agree, else through a 1x1 convolution of the block's stride. Its output is the spikes of the second. Thresholds and leaks of
 * the blocks are numbered on from the length of the stem's module list, two a block.
 *
 * @throws HireSnnError NETWORK_INVALID if the description cannot be built, with the reason
 */
export function buildResNet(description: ResNetDescription): Network {
  const { name, stem, residual, classes, inputShape, kernel } = description;
  checkNetwork(name, `at least two classes, found ${classes}`, isSize(classes) && classes >= 2);
  const front = featureLayers(name, stem, { inputShape, kernel, part: "pre_process" });
  const layers: Layer[] = [...front.layers];
  let { shape } = front;
  let position = front.modules;
  for (const [index, { channels, blocks }] of residual.entries()) {
    checkNetwork(name, `blocks of at least one channel, found ${channels}`, isSize(channels));
    checkNetwork(name, `layers of at least one block, found ${blocks}`, isSize(blocks));
    for (let block = 0; block < blocks; block++) {
      const stride = index > 0 && block === 0 ? 2 : 1;
      const source = layers.at(-1) as Layer;
      const [first, second] = residualBlock(`layer${index + 1}.${block}`, source, {
        ...{ channels, stride, kernel, position },
      });
      layers.push(first, second);
      shape = second.outputShape;
      position += POSITIONS_PER_BLOCK;
    }
  }
  layers.push({
    kind: "output",
    name: "output",
    inputShape: shape,
    outputShape: [classes, 1, 1],
    keys: { weight: "classifier.0.weight" },
  });
  return { name, inputShape, classes, layers };
}

function residualBlock(
  block: string,
  source: Layer,
  {
    channels,
    stride,
    kernel,
    position,
  }: { channels: number; stride: number; kernel: number; position: number },
) {
  const keys = (module: number, offset: number) =>
    spikingKeys(`${block}.residual.${module}.weight`, position + offset);
  const inputShape = source.outputShape;
  const first = convolution(`${block}.conv1`, inputShape, channels, { kernel, stride, keys: keys(0, 0) });
  const second = convolution(`${block}.conv2`, first.outputShape, channels, {
    ...{ kernel, stride: 1, keys: keys(3, 1) },
  });
  const same = inputShape.join() === second.outputShape.join();
  const shortcut: Shortcut = {
    ...{ from: source.name, inputShape },
    ...(!same && { keys: { weight: `${block}.identity.0.weight` } }),
    ...(!same && stride !== 1 && { stride }),
  };
  return [first, { ...second, shortcut }] as const;
}
