import type { NetworkWeights } from "../../src/classifiers/native-layers";
import type { ConvLayer, Layer, Network, Shape } from "../../src/networks/network";
import type { PlainWeights } from "../support/step-by-step";

/** A network of the family, from convolution channels ("A" a pool) and linear sizes; keys are numbered by layer. */
export function smallNetwork(
  inputShape: Shape,
  features: readonly (number | "A")[],
  linear: readonly number[],
  kernel = 3,
): Network {
  const layers: Layer[] = [];
  let shape = inputShape;
  const keys = (index: number): { weight: string; threshold: string; leak: string } => ({
    weight: `${index}.weight`,
    threshold: `${index}.threshold`,
    leak: `${index}.leak`,
  });
  for (const feature of features) {
    const name = `layer${layers.length}`;
    const outputShape: Shape =
      feature === "A"
        ? [shape[0], Math.floor(shape[1] / 2), Math.floor(shape[2] / 2)]
        : [feature, shape[1], shape[2]];
    const base = { name, inputShape: shape, outputShape };
    layers.push(
      feature === "A"
        ? { kind: "average-pool", ...base }
        : { kind: "conv", ...base, kernel, keys: keys(layers.length) },
    );
    shape = outputShape;
  }
  linear.forEach((units, i) => {
    const base = { name: `layer${layers.length}`, inputShape: shape, outputShape: [units, 1, 1] as Shape };
    const last = i === linear.length - 1;
    layers.push(
      last
        ? { kind: "output", ...base, keys: { weight: `${layers.length}.weight` } }
        : { kind: "linear", ...base, keys: keys(layers.length) },
    );
    shape = base.outputShape;
  });
  return { name: "small", inputShape, classes: linear.at(-1) as number, layers };
}

/**
 * A residual network: a stem, a pool, a block whose shortcut is its input as it is, and one with stride 2 whose shortcut is a 1x1
 * convolution of the same stride.
 */
export function smallResidualNetwork(inputShape: Shape, channels: number, wider: number): Network {
  const keys = (index: number): { weight: string; threshold: string; leak: string } => ({
    weight: `${index}.weight`,
    threshold: `${index}.threshold`,
    leak: `${index}.leak`,
  });
  const [, height, width] = inputShape;
  const full: Shape = [channels, height, width];
  const pooled: Shape = [channels, Math.floor(height / 2), Math.floor(width / 2)];
  const strided: Shape = [wider, Math.ceil(pooled[1] / 2), Math.ceil(pooled[2] / 2)];
  const conv = (index: number, from: Shape, to: Shape, stride = 1): ConvLayer => ({
    ...{ kind: "conv", name: `layer${index}`, inputShape: from, outputShape: to },
    ...{ kernel: 3, stride, keys: keys(index) },
  });
  return {
    name: "small residual",
    inputShape,
    classes: 4,
    layers: [
      conv(0, inputShape, full),
      { kind: "average-pool", name: "layer1", inputShape: full, outputShape: pooled },
      conv(2, pooled, pooled),
      { ...conv(3, pooled, pooled), shortcut: { from: "layer1", inputShape: pooled } },
      conv(4, pooled, strided, 2),
      {
        ...conv(5, strided, strided),
        shortcut: { from: "layer3", inputShape: pooled, keys: { weight: "5.shortcut" }, stride: 2 },
      },
      {
        kind: "output",
        name: "layer6",
        inputShape: strided,
        outputShape: [4, 1, 1],
        keys: { weight: "6.weight" },
      },
    ],
  };
}

/** What a classifier reads its weights from. */
export function weightReader(weights: PlainWeights, dtype: "float32" | "float64"): NetworkWeights {
  return {
    read(key) {
      const tensor = weights.tensors.get(key);
      if (!tensor) throw new Error(`no tensor ${key}`);
      return {
        data: dtype === "float64" ? tensor.data : Float32Array.from(tensor.data),
        shape: tensor.shape,
      };
    },
  };
}

/** Reproducible numbers in [0, 1): a linear congruential generator, good enough for weights. */
export function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Weights under which a good part of the neurons fires; thresholds and leaks differ by layer. */
export function smallWeights(network: Network, seed: number): PlainWeights {
  const next = numbers(seed);
  const tensors = new Map<string, { data: Float64Array; shape: readonly number[] }>();
  network.layers.forEach((layer, index) => {
    if (layer.kind === "average-pool") return;
    const [outputs] = layer.outputShape;
    const fanIn =
      layer.kind === "conv"
        ? layer.inputShape[0] * layer.kernel ** 2
        : layer.inputShape.reduce((a, b) => a * b, 1);
    const shape =
      layer.kind === "conv" ? [outputs, layer.inputShape[0], layer.kernel, layer.kernel] : [outputs, fanIn];
    // Weights lean to the positive side, less so where many are summed: membranes then stay about the threshold.
    const lean = Math.min(0.3, 2 / Math.sqrt(fanIn));
    const data = Float64Array.from(
      { length: outputs * fanIn },
      () => (next() * 2 - 1 + lean) / Math.sqrt(fanIn),
    );
    tensors.set(layer.keys.weight, { data, shape });
    if (layer.kind === "output") return;
    if (layer.kind === "conv" && layer.shortcut?.keys) {
      const source = network.layers.find(({ name }) => name === layer.shortcut?.from) as Layer;
      const [channels] = source.outputShape;
      const identity = Float64Array.from({ length: outputs * channels }, () => (next() * 2 - 0.7) / channels);
      tensors.set(layer.shortcut.keys.weight, { data: identity, shape: [outputs, channels, 1, 1] });
    }
    tensors.set(layer.keys.threshold, { data: Float64Array.of(0.35 + 0.05 * index), shape: [] });
    tensors.set(layer.keys.leak, { data: Float64Array.of(1 - 0.04 * index), shape: [] });
  });
  return { tensors };
}
