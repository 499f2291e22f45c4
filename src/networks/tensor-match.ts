import type { StateDict, StoredTensor } from "../checkpoint/checkpoint";
import { shortcutWeightShape, weightShape } from "./layer-sizes";
import { isAnn, type Network } from "./network";

/** How a checkpoint's tensors differ from those of a network. */
export interface TensorMatch {
  /** Keys that the network needs and the checkpoint lacks. */
  readonly missing: readonly string[];
  /** Keys of the checkpoint that the network has no use for. */
  readonly unexpected: readonly string[];
  readonly wrong: readonly WrongTensor[];
}

/** A tensor of another shape or element type than the network's; both sides as text: "float [64, 3, 3, 3]". */
export interface WrongTensor {
  readonly key: string;
  readonly expected: string;
  readonly found: string;
}

const floatingPoint = new Set<string>(["float64", "float32", "float16", "bfloat16"]);

/** Compares by key, never by order. Thresholds and leaks are 0-dim or have one element. */
export function matchTensors(network: Network, stateDict: StateDict): TensorMatch {
  const missing: string[] = [];
  const wrong: WrongTensor[] = [];
  const known = new Set<string>();
  const compare = (key: string, fits: (tensor: StoredTensor) => boolean, expected: string): void => {
    known.add(key);
    const tensor = stateDict.tensors.get(key);
    if (!tensor) missing.push(key);
    else if (!floatingPoint.has(tensor.dtype) || !fits(tensor)) {
      wrong.push({ key, expected, found: `${tensor.dtype} [${tensor.shape.join(", ")}]` });
    }
  };
  const compareWeight = (key: string | undefined, shape: readonly number[] | undefined): void => {
    if (key === undefined || !shape) return;
    compare(key, (tensor) => sameShape(tensor.shape, shape), `float [${shape.join(", ")}]`);
  };
  for (const layer of network.layers) {
    if (layer.kind === "average-pool") continue;
    compareWeight(layer.keys.weight, weightShape(layer));
    if (layer.kind === "conv") compareWeight(layer.shortcut?.keys?.weight, shortcutWeightShape(layer));
    if (layer.kind === "output" || isAnn(network)) continue;
    for (const key of [layer.keys.threshold, layer.keys.leak]) {
      compare(key, (tensor) => tensor.shape.every((size) => size === 1), "float []");
    }
  }
  const unexpected = [...stateDict.tensors.keys(), ...stateDict.others].filter((key) => !known.has(key));
  return { missing, unexpected, wrong };
}

export function isExact({ missing, unexpected, wrong }: TensorMatch): boolean {
  return missing.length + unexpected.length + wrong.length === 0;
}

function sameShape(left: readonly number[], right: readonly number[]): boolean {
  return left.length === right.length && left.every((size, axis) => size === right[axis]);
}

const MOST_SHOWN = 4;

/** The differences as lines of text, a few of each kind by name. */
export function describeMatch({ missing, unexpected, wrong }: TensorMatch): string[] {
  const list = (what: string, items: readonly string[]): string[] => {
    if (items.length === 0) return [];
    const more = items.length > MOST_SHOWN ? ` and ${items.length - MOST_SHOWN} more` : "";
    return [`${items.length} ${what}: ${items.slice(0, MOST_SHOWN).join(", ")}${more}`];
  };
  return [
    ...list("missing", missing),
    ...list("unexpected", unexpected),
    ...list(
      "of the wrong shape or type",
      wrong.map(({ key, expected, found }) => `${key} (expected ${expected}, found ${found})`),
    ),
  ];
}
