import type { Checkpoint, StateDictTensor } from "../checkpoint/checkpoint";
import { HireSnnError } from "../errors";
import { isAnn, type Network } from "./network";

/** A spiking layer's two scalars. */
export interface NeuronParameters {
  readonly layer: string;
  readonly threshold: number;
  readonly leak: number;
}

/**
 * Reads the thresholds and leaks of all spiking layers, in order; an ANN twin has none.
 *
 * @param network whose tensors the checkpoint holds, as resolveNetwork found
 * @throws HireSnnError NETWORK_INVALID if a threshold is not finite and above 0, or a leak is not finite
 */
export function readNeuronParameters(checkpoint: Checkpoint, network: Network): NeuronParameters[] {
  const scalar = (key: string): number => checkpoint.readFloat32(tensorOf(checkpoint, key).path)[0] ?? NaN;
  if (isAnn(network)) return [];
  return network.layers.flatMap((layer) => {
    if (layer.kind !== "conv" && layer.kind !== "linear") return [];
    const { threshold: thresholdKey, leak: leakKey } = layer.keys;
    const threshold = scalar(thresholdKey);
    const leak = scalar(leakKey);
    if (!(Number.isFinite(threshold) && threshold > 0)) {
      throw invalid(checkpoint, thresholdKey, "a finite number above 0", threshold);
    }
    if (!Number.isFinite(leak)) throw invalid(checkpoint, leakKey, "a finite number", leak);
    return [{ layer: layer.name, threshold, leak }];
  });
}

/** Gives the tensors of a network by its keys, checked value by value. */
export interface ParameterReader {
  /** Every read gives a copy of its own, which the caller may free. */
  readonly disposable: true;
  /**
   * @returns row-major values and shape; float64 stays float64, every other floating-point type becomes float32
   * @throws HireSnnError NETWORK_INVALID if the checkpoint has no such tensor, or if a value is NaN or infinite
   */
  read(key: string): { data: Float32Array | Float64Array; shape: readonly number[] };
}

export function parametersOf(checkpoint: Checkpoint): ParameterReader {
  return {
    disposable: true,
    read(key) {
      const { path, shape, dtype } = tensorOf(checkpoint, key);
      const data =
        dtype === "float64" ? (checkpoint.read(path) as Float64Array) : checkpoint.readFloat32(path);
      const index = firstNotFinite(data);
      if (index >= 0) throw invalid(checkpoint, `${key}[${index}]`, "finite values", data[index] as number);
      return { data, shape };
    },
  };
}

/** A plain loop: a callback per value would take longer than reading a large network. */
function firstNotFinite(data: Float32Array | Float64Array): number {
  for (let index = 0; index < data.length; index++) {
    // Only NaN and the infinities differ from themselves in a subtraction.
    const value = data[index] as number;
    if (value - value !== 0) return index;
  }
  return -1;
}

function tensorOf(checkpoint: Checkpoint, key: string): StateDictTensor {
  const tensor = checkpoint.stateDict.tensors.get(key);
  if (tensor) return tensor;
  throw new HireSnnError("NETWORK_INVALID", `Expected a tensor ${key} in ${checkpoint.path}, found none.`);
}

function invalid(checkpoint: Checkpoint, key: string, expected: string, found: number): HireSnnError {
  return new HireSnnError(
    "NETWORK_INVALID",
    `Expected ${expected} for ${key} in ${checkpoint.path}, found ${found}.`,
  );
}
