import type { Layer, Network } from "../../src/networks/network";
import type { Surrogate } from "../../src/networks/surrogate";
import { spikeDerivatives } from "./surrogates";

/** A network's numbers, for {@link runStepByStep}. */
export interface PlainWeights {
  readonly tensors: ReadonlyMap<string, { data: Float64Array; shape: readonly number[] }>;
}

export interface PlainRun {
  readonly logits: Float64Array;
  /** Per layer but the output, per time step: membranes before firing (empty for a pool) and outputs of one image. */
  readonly membranes: readonly (readonly Float64Array[])[];
  readonly outputs: readonly (readonly Float64Array[])[];
  /** Gradient of the cross-entropy by the pixels. */
  readonly gradient: Float64Array;
  /** The same by the network's tensors, by key. */
  readonly gradients: ReadonlyMap<string, Float64Array>;
  readonly loss: number;
}

/**
 * One image through a spiking network as the original computes it: time steps outside, layers inside, every convolution a
 * sum written out, and the gradient walked back the same way. Slow and in double precision: it shares nothing with the engine
 * but the formulas.
 */
export function runStepByStep(
  network: Network,
  weights: PlainWeights,
  image: Float64Array,
  label: number,
  options: {
    timesteps: number;
    mean: readonly number[];
    std: readonly number[];
    /** Dropout masks by layer, over the layer's outputs. */
    masks?: ReadonlyMap<string, ArrayLike<number>>;
    /** Rate coding: what the first layer receives at each time step; the gradient by the pixels is then the straight-through one. */
    codes?: readonly Float64Array[];
  },
  surrogate: Surrogate = { shape: "piecewise-linear", a: 0.3, scale: "threshold" },
): PlainRun {
  const tensor = (key: string): Float64Array => {
    const found = weights.tensors.get(key);
    if (!found) throw new Error(`no tensor ${key}`);
    return found.data;
  };
  const hidden = network.layers.slice(0, -1);
  const output = network.layers.at(-1) as Layer;
  const pixels = image.length / options.mean.length;
  const normalised = image.map((pixel, i) => {
    const channel = Math.floor(i / pixels);
    return (pixel - at(options.mean, channel)) / at(options.std, channel);
  });

  const shown = (t: number): Float64Array => options.codes?.[t] ?? normalised;

  const potentials = hidden.map((layer) => new Float64Array(size(layer.outputShape)));
  const membranes: Float64Array[][] = hidden.map(() => []);
  const outputs: Float64Array[][] = hidden.map(() => []);
  const logits = new Float64Array(network.classes);
  for (let t = 0; t < options.timesteps; t++) {
    let signal = shown(t);
    hidden.forEach((layer, l) => {
      const sums = forward(layer, signal, tensor);
      const shortcut = shortcutOf(layer, hidden);
      if (shortcut) {
        const earlier = outputs[shortcut.from]?.[t] as Float64Array;
        forward(shortcut.layer, earlier, tensor).forEach((value, i) => (sums[i] = at(sums, i) + value));
      }
      if (layer.kind === "conv" || layer.kind === "linear") {
        const threshold = at(tensor(layer.keys.threshold), 0);
        const leak = at(tensor(layer.keys.leak), 0);
        const potential = potentials[l] as Float64Array;
        const membrane = sums.map((current, i) => leak * at(potential, i) + current);
        const spikes = membrane.map((value) => (value / threshold - 1 > 0 ? 1 : 0));
        potential.set(membrane.map((value, i) => value - threshold * at(spikes, i)));
        membranes[l]?.push(membrane);
        signal = spikes;
      } else {
        signal = sums;
      }
      const mask = options.masks?.get(layer.name);
      if (mask) signal = signal.map((value, i) => value * at(mask, i));
      outputs[l]?.push(signal);
    });
    forward(output, signal, tensor).forEach((value, j) => (logits[j] = at(logits, j) + value));
  }

  const largest = Math.max(...logits);
  const total = logits.reduce((sum, value) => sum + Math.exp(value - largest), 0);
  const loss = Math.log(total) + largest - at(logits, label);
  const logitGradient = logits.map((value, j) => Math.exp(value - largest) / total - (j === label ? 1 : 0));

  const gradient = new Float64Array(image.length);
  const gradients = new Map<string, Float64Array>();
  const add = (key: string, index: number, value: number): void => {
    let sums = gradients.get(key);
    if (!sums) gradients.set(key, (sums = new Float64Array(tensor(key).length)));
    sums[index] = at(sums, index) + value;
  };
  const addWeights = (layer: Linear, input: Float64Array, bySums: Float64Array): void => {
    if (!("keys" in layer)) return;
    connections(layer, (i, o, w) => add(layer.keys.weight, w, at(input, i) * at(bySums, o)));
  };
  const later = hidden.map((layer) => new Float64Array(size(layer.outputShape)));
  for (let t = options.timesteps - 1; t >= 0; t--) {
    addWeights(output, outputs.at(-1)?.[t] as Float64Array, logitGradient);
    let signal = backward(output, logitGradient, tensor);
    const fromShortcuts = new Map<number, Float64Array>();
    for (let l = hidden.length - 1; l >= 0; l--) {
      const layer = hidden[l] as Layer;
      const share = fromShortcuts.get(l);
      if (share) signal = signal.map((value, i) => value + at(share, i));
      if (layer.kind === "conv" || layer.kind === "linear") {
        const threshold = at(tensor(layer.keys.threshold), 0);
        const leak = at(tensor(layer.keys.leak), 0);
        const membrane = membranes[l]?.[t] as Float64Array;
        const before = t === 0 ? undefined : (membranes[l]?.[t - 1] as Float64Array);
        const mask = options.masks?.get(layer.name);
        if (mask) signal = signal.map((value, i) => value * at(mask, i));
        const next = later[l] as Float64Array;
        const fires = (h: number): number => (h / threshold - 1 > 0 ? 1 : 0);
        const current = signal.map((value, i) => {
          const h = at(membrane, i);
          const { byMembrane, byThreshold } = spikeDerivatives(surrogate, h, threshold);
          const direct = value * byMembrane;
          const decayed = leak * at(next, i);
          add(layer.keys.threshold, 0, value * byThreshold - decayed * fires(h));
          if (before) {
            const earlier = at(before, i);
            add(layer.keys.leak, 0, (direct + decayed) * (earlier - threshold * fires(earlier)));
          }
          return direct + decayed;
        });
        next.set(current);
        signal = current;
      }
      const shortcut = shortcutOf(layer, hidden);
      if (shortcut) {
        const before = fromShortcuts.get(shortcut.from);
        addWeights(shortcut.layer, outputs[shortcut.from]?.[t] as Float64Array, signal);
        const gradients = backward(shortcut.layer, signal, tensor);
        fromShortcuts.set(
          shortcut.from,
          gradients.map((value, i) => value + (before ? at(before, i) : 0)),
        );
      }
      addWeights(layer, l === 0 ? shown(t) : (outputs[l - 1]?.[t] as Float64Array), signal);
      signal = backward(layer, signal, tensor);
    }
    signal.forEach((value, i) => {
      gradient[i] = at(gradient, i) + value / at(options.std, Math.floor(i / pixels));
    });
  }
  return { logits, membranes, outputs, gradient, gradients, loss };
}

/** A shortcut as a layer of its own: a 1x1 convolution, or one that copies. */
function shortcutOf(layer: Layer, hidden: readonly Layer[]): { from: number; layer: Linear } | undefined {
  if (layer.kind !== "conv" || !layer.shortcut) return undefined;
  const { from: name, keys, stride = 1 } = layer.shortcut;
  const from = hidden.findIndex((earlier) => earlier.name === name);
  const { outputShape: inputShape } = hidden[from] as Layer;
  const base = { inputShape, outputShape: layer.outputShape };
  return {
    from,
    layer: keys ? { kind: "conv", ...base, keys, kernel: 1, stride } : { kind: "copy", ...base },
  };
}

/** What the sums of a layer are made by. */
type Linear = Pick<Layer, "inputShape" | "outputShape"> &
  (
    | { kind: "linear"; keys: { readonly weight: string } }
    | { kind: "output"; keys: { readonly weight: string } }
    | { kind: "average-pool" }
    | { kind: "conv"; kernel: number; stride?: number; keys: { readonly weight: string } }
    | { kind: "copy" }
  );

/** Calls `visit(input, output, weight index)` for every connection of a layer; a pool's have no weight. */
function connections(layer: Linear, visit: (input: number, output: number, weight: number) => void): void {
  const [inputs, height, width] = layer.inputShape;
  const [outputs, outHeight, outWidth] = layer.outputShape;
  if (layer.kind === "copy") {
    for (let i = 0; i < size(layer.inputShape); i++) visit(i, i, -1);
  } else if (layer.kind === "linear" || layer.kind === "output") {
    const features = size(layer.inputShape);
    for (let o = 0; o < outputs; o++) for (let i = 0; i < features; i++) visit(i, o, o * features + i);
  } else if (layer.kind === "average-pool") {
    for (let c = 0; c < outputs; c++)
      for (let y = 0; y < outHeight * 2; y++)
        for (let x = 0; x < outWidth * 2; x++) {
          visit((c * height + y) * width + x, (c * outHeight + (y >> 1)) * outWidth + (x >> 1), -1);
        }
  } else {
    const { kernel, stride = 1 } = layer;
    const padding = (kernel - 1) / 2;
    for (let o = 0; o < outputs; o++)
      for (let i = 0; i < inputs; i++)
        for (let ky = 0; ky < kernel; ky++)
          for (let kx = 0; kx < kernel; kx++)
            for (let y = 0; y < outHeight; y++)
              for (let x = 0; x < outWidth; x++) {
                const fromY = y * stride + ky - padding;
                const fromX = x * stride + kx - padding;
                if (fromY < 0 || fromY >= height || fromX < 0 || fromX >= width) continue;
                visit(
                  (i * height + fromY) * width + fromX,
                  (o * outHeight + y) * outWidth + x,
                  ((o * inputs + i) * kernel + ky) * kernel + kx,
                );
              }
  }
}

function forward(layer: Linear, input: Float64Array, tensor: (key: string) => Float64Array): Float64Array {
  const result = new Float64Array(size(layer.outputShape));
  const weights = "keys" in layer ? tensor(layer.keys.weight) : undefined;
  const unweighted = layer.kind === "copy" ? 1 : 0.25;
  connections(layer, (i, o, w) => {
    result[o] = at(result, o) + at(input, i) * (weights ? at(weights, w) : unweighted);
  });
  return result;
}

function backward(
  layer: Linear,
  gradient: Float64Array,
  tensor: (key: string) => Float64Array,
): Float64Array {
  const result = new Float64Array(size(layer.inputShape));
  const weights = "keys" in layer ? tensor(layer.keys.weight) : undefined;
  const unweighted = layer.kind === "copy" ? 1 : 0.25;
  connections(layer, (i, o, w) => {
    result[i] = at(result, i) + at(gradient, o) * (weights ? at(weights, w) : unweighted);
  });
  return result;
}

function size(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

function at(values: ArrayLike<number>, index: number): number {
  const value = values[index];
  if (value === undefined) throw new Error(`index ${index} is out of range`);
  return value;
}
