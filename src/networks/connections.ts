import { HireSnnError } from "../errors";
import { elementsOf } from "./layer-sizes";
import type { Layer, Network, Shape } from "./network";

/**
 * Weights and what they connect: a layer's own or a shortcut's, described by what the number of operations follows from. Plain JSON:
 * it stands in a run's identity.
 */
export interface Connection {
  /** The layer whose output is the input, or "image". */
  readonly from: string;
  /** The layer whose neurons, or logits, it leads to. */
  readonly to: string;
  readonly kind: "conv" | "linear";
  /** Of a convolution, whose padding is (kernel - 1) / 2. */
  readonly kernel?: number;
  readonly stride?: number;
  /** [C, H, W] at one time step: the map, also in front of a linear layer. */
  readonly inputShape: Shape;
  /** [C, H, W]; of a linear layer [features, 1, 1]. */
  readonly outputShape: Shape;
  /** The layer whose neurons fire: `from` unless that is a pool; "image" for the first connection. */
  readonly neurons: string;
  /** Average pools between those neurons and the weights. */
  readonly pools: number;
  /** Whether it is a shortcut into `to`. */
  readonly shortcut?: true;
}

/**
 * All connections of a network in its order, a layer's shortcut behind its own; the first is the image's. Shortcuts that add their
 * input as it is have no weights and are left out.
 *
 * @throws HireSnnError NETWORK_INVALID if a shortcut starts nowhere
 */
export function connectionsOf({ layers }: Pick<Network, "layers">): Connection[] {
  return layers.flatMap((layer, index): Connection[] => {
    if (layer.kind === "average-pool") return [];
    const own =
      layer.kind === "conv"
        ? convolution(layers, index - 1, layer, layer.kernel, layer.stride ?? 1)
        : { ...ends(layers, index - 1, layer), kind: "linear" as const };
    if (layer.kind !== "conv" || !layer.shortcut?.keys) return [own];
    const { from, stride = 1 } = layer.shortcut;
    const start = layers.findIndex(({ name }) => name === from);
    if (start < 0) {
      throw new HireSnnError("NETWORK_INVALID", `Expected a layer named ${from}, where a shortcut starts`);
    }
    return [own, { ...convolution(layers, start, layer, 1, stride), shortcut: true }];
  });
}

function convolution(
  layers: readonly Layer[],
  from: number,
  layer: Layer,
  kernel: number,
  stride: number,
): Connection {
  return { ...ends(layers, from, layer), kind: "conv", kernel, stride };
}

function ends(layers: readonly Layer[], from: number, to: Layer) {
  const source = layers[from];
  let pools = 0;
  while (layers[from - pools]?.kind === "average-pool") pools++;
  return {
    from: source?.name ?? "image",
    to: to.name,
    inputShape: source?.outputShape ?? to.inputShape,
    outputShape: to.outputShape,
    neurons: layers[from - pools]?.name ?? "image",
    pools,
  };
}

/** Values that come in at one time step. */
export function inputsOf({ inputShape }: Connection): number {
  return elementsOf(inputShape);
}

/**
 * Multiply-accumulates of a dense pass at one time step: k * k * C_in * H_out * W_out * C_out, or in * out.
 *
 * @param borders `padded` counts the padding's zeros as well, as is usual; `exact` only products with an input that exists
 */
export function macsOfConnection(connection: Connection, borders: "padded" | "exact"): number {
  const { kind, kernel = 1, stride = 1, inputShape, outputShape } = connection;
  const [channels, height, width] = inputShape;
  const [outputs, outputHeight, outputWidth] = outputShape;
  if (kind === "linear") return elementsOf(inputShape) * outputs;
  const products =
    borders === "padded"
      ? kernel * kernel * outputHeight * outputWidth
      : meetings(kernel, stride, height, outputHeight) * meetings(kernel, stride, width, outputWidth);
  return products * channels * outputs;
}

/** Along one side of a map: pairs of an output position and a position of its kernel that lies on the input. */
function meetings(kernel: number, stride: number, input: number, output: number): number {
  const padding = (kernel - 1) / 2;
  let sum = 0;
  for (let position = 0; position < output; position++) {
    const first = position * stride - padding;
    sum += Math.min(input, first + kernel) - Math.max(0, first);
  }
  return sum;
}
