import { integer, legacyFile, storage, tensor, text, dict, type Part } from "../checkpoint/mini-pickler";
import { shortcutWeightShape, weightShape } from "../../src/networks/layer-sizes";
import { isAnn, type Network } from "../../src/networks/network";
import type { StateDict, StateDictTensor, StoredDtype } from "../../src/checkpoint/checkpoint";

/** Shapes of all tensors of a network, by key, as its checkpoint has them. */
export function shapesOf(network: Network): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  for (const layer of network.layers) {
    const shape = weightShape(layer);
    if (layer.kind === "average-pool" || !shape) continue;
    shapes.set(layer.keys.weight, shape);
    const shortcutShape = shortcutWeightShape(layer);
    if (layer.kind === "conv" && layer.shortcut?.keys && shortcutShape) {
      shapes.set(layer.shortcut.keys.weight, shortcutShape);
    }
    if (layer.kind === "output" || isAnn(network)) continue;
    shapes.set(layer.keys.threshold, []).set(layer.keys.leak, []);
  }
  return shapes;
}

/** A state dict of these shapes, without a file. */
export function stateDictOf(
  shapes: ReadonlyMap<string, readonly number[]>,
  dtype: StoredDtype = "float32",
): StateDict {
  const tensors = new Map<string, StateDictTensor>();
  for (const [path, shape] of shapes) tensors.set(path, { path, shape, dtype, device: "cpu" });
  return { path: "", modulePrefix: false, tensors, others: [] };
}

export interface FileOptions {
  /** What a key's first value is, where it is not the usual one. */
  readonly values?: Readonly<Record<string, number>>;
  readonly wrap?: boolean;
}

/** A legacy checkpoint of a network: weights count up in small steps, thresholds are 1, leaks 0.5. */
export function networkFileContent(
  network: Network,
  { values = {}, wrap = false }: FileOptions = {},
): Buffer {
  const storages: Record<string, Float32Array> = {};
  const entries: [string, Part][] = [];
  for (const [key, shape] of shapesOf(network)) {
    const length = shape.reduce((product, size) => product * size, 1);
    const usual = key.startsWith("threshold") ? 1 : key.startsWith("leak") ? 0.5 : 0.001;
    storages[key] = new Float32Array(length).fill(usual);
    const special = values[key];
    if (special !== undefined) storages[key][0] = special;
    entries.push([wrap ? `module.${key}` : key, tensor(storage(key, length, { device: "cuda:0" }), shape)]);
  }
  const weights = dict(...entries);
  return legacyFile(
    wrap ? dict(["state_dict", weights], ["epoch", integer(7)], ["arch", text("x")]) : weights,
    storages,
  );
}
