import { HireSnnError } from "../errors";
import type { Dataset } from "./dataset";

/** @throws HireSnnError INVALID_ARGUMENT unless `start` and `count` are what {@link Dataset.read} takes */
export function checkRange(dataset: Dataset, start: number, count: number): void {
  checkCount(start, dataset.length, "start");
  checkCount(count, Number.MAX_SAFE_INTEGER, "count");
}

function checkCount(value: number, largest: number, name: string): void {
  if (Number.isSafeInteger(value) && value >= 0 && value <= largest) return;
  throw new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected an integer from 0 to ${largest} for ${name} but received ${value}`,
  );
}

/** @throws HireSnnError DATASET_INVALID if a label is none of a class; `start` is the first one's index in the set */
export function checkLabels(dataset: Dataset, labels: ArrayLike<number>, start: number): void {
  const classes = dataset.classes.length;
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i] as number;
    if (Number.isInteger(label) && label >= 0 && label < classes) continue;
    const files = dataset.files.length > 3 ? `${dataset.files[0]} and others` : dataset.files.join(", ");
    throw new HireSnnError(
      "DATASET_INVALID",
      `Expected a label from 0 to ${classes - 1} for sample ${start + i} of ${dataset.name} but found ${label} in ${files}; the ` +
        "file is corrupt, or belongs to another data set",
    );
  }
}
