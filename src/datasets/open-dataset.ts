import { HireSnnError } from "../errors";
import { openCifar } from "./cifar";
import { defaultDataFolder } from "./data-folder";
import type { Dataset, Split } from "./dataset";
import { openMnist } from "./mnist";
import { openShapes } from "./shapes";

export const datasetNames = ["cifar10", "cifar100", "mnist", "shapes"] as const;
export type DatasetName = (typeof datasetNames)[number];

export interface OpenDatasetOptions {
  /** The data set's folder, or the one that holds it. @default $HIRE_SNN_DATA, else the cache folder's `data` */
  readonly data?: string | undefined;
  /** @default "test" */
  readonly split?: Split | undefined;
}

/**
 * Opens a data set; its samples are read batch by batch.
 *
 * @throws HireSnnError INVALID_ARGUMENT for an unknown name or split; DATASET_INVALID if a file is missing, short or corrupt, with
 *   its path and expected size
 * @example
 * const dataset = await openDataset("cifar10", { data: "/data" });
 * const { images, labels } = await dataset.read(0, 32);
 */
export async function openDataset(name: DatasetName, options: OpenDatasetOptions = {}): Promise<Dataset> {
  const { data = defaultDataFolder(), split = "test" } = options;
  // From plain JavaScript, anything may come.
  if (!(["test", "train"] as unknown[]).includes(split)) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected "test" or "train" for split but received "${split}"`,
    );
  }
  switch (name) {
    case "cifar10":
    case "cifar100":
      return openCifar(name, data, split);
    case "mnist":
      return openMnist(data, split);
    case "shapes":
      if (split === "test") return openShapes(data);
      throw new HireSnnError(
        "INVALID_ARGUMENT",
        'Expected "test" for the split of shapes but received "train"',
      );
    default:
      throw new HireSnnError(
        "INVALID_ARGUMENT",
        `Expected one of ${datasetNames.join(", ")} for the data set but received "${String(name)}"`,
      );
  }
}
