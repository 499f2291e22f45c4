import { isTorchScript } from "../checkpoint/torchscript-archive";
import { normalisationOf } from "../classifiers/load-torchscript";
import type { DatasetName } from "../datasets/open-dataset";

/** Whether a data set has no mean and deviation of its own, so that they have to be given. */
export function takesStatistics(dataset: DatasetName): boolean {
  return dataset === "folder" || dataset === "npz";
}

/**
 * The mean and std for a data set for which none are given: those that the programs run on it say of themselves. There are none if a
 * model is a checkpoint, or a program says nothing. Nothing is run.
 */
export function statisticsOfPrograms(
  paths: readonly string[],
): { mean: readonly number[]; std: readonly number[] } | undefined {
  if (!paths.every(isTorchScript)) return undefined;
  const own = paths.map(normalisationOf);
  return own.every(Boolean) ? own[0] : undefined;
}
