import { HireSnnError } from "../errors";
import { openCifar } from "./cifar";
import { defaultDataFolder } from "./data-folder";
import type { Dataset, Split } from "./dataset";
import { openImageFolder } from "./image-folder";
import { openMnist } from "./mnist";
import { openNpz } from "./npz";
import { openShapes } from "./shapes";

/** Every {@link DatasetName}. */
export const datasetNames = ["cifar10", "cifar100", "mnist", "folder", "npz", "shapes"] as const;
/** What {@link openDataset} opens: a published set, images and labels of one's own (`folder`, `npz`), or the demo's `shapes`. */
export type DatasetName = (typeof datasetNames)[number];

/** Where a data set is, and what its files do not say. */
export interface OpenDatasetOptions {
  /**
   * The data set's folder, or the one that holds it; for CIFAR also a `.tar.gz` archive; for npz the file.
   *
   * @default $HIRE_SNN_DATA, else the cache folder's `data`; folder and npz have to be named
   */
  readonly data?: string | undefined;
  /** @default "test" */
  readonly split?: Split | undefined;
  /** folder and npz: the names of the classes in the order of their labels, or how many there are. @default what the files say */
  readonly classes?: number | readonly string[] | undefined;
  /** folder and npz: per channel, in pixel units. @default an npz's own; others have none */
  readonly mean?: readonly number[] | undefined;
  readonly std?: readonly number[] | undefined;
  /** folder: pixels of the shorter side after resizing. @default not resized */
  readonly resize?: number | undefined;
  /** folder: pixels of both sides of the centre that is kept. @default not cropped */
  readonly crop?: number | undefined;
}

/** Options that only some data sets have: the others know the answer. */
const ownOptions: Readonly<Record<DatasetName, readonly (keyof OpenDatasetOptions)[]>> = {
  cifar10: [],
  cifar100: [],
  mnist: [],
  folder: ["classes", "mean", "std", "resize", "crop"],
  npz: ["classes", "mean", "std"],
  shapes: [],
};

/**
 * Opens a data set; its samples are read batch by batch.
 *
 * @throws HireSnnError INVALID_ARGUMENT for an unknown name or split, and for an option that the data set does not have, or lacks;
 *   DATASET_INVALID if a file is missing, short or corrupt, with its path and what was expected
 * @example
 * const dataset = await openDataset("cifar10", { data: "/data" });
 * const { images, labels } = await dataset.read(0, 32);
 * @example
 * const mean = [0.485, 0.456, 0.406];
 * const std = [0.229, 0.224, 0.225];
 * const imagenet = await openDataset("folder", { data: "/data/imagenet", resize: 256, crop: 224, mean, std });
 */
export async function openDataset(name: DatasetName, options: OpenDatasetOptions = {}): Promise<Dataset> {
  const { data, split = "test" } = options;
  // From plain JavaScript, anything may come.
  if (!Object.hasOwn(ownOptions, name)) {
    throw invalid(`one of ${datasetNames.join(", ")} for the data set`, `"${name as string}"`);
  }
  if (!(["test", "train"] as unknown[]).includes(split)) {
    throw invalid('"test" or "train" for split', `"${split}"`);
  }
  for (const [option, value] of Object.entries(options)) {
    if (value === undefined || ["data", "split"].includes(option)) continue;
    if ((ownOptions[name] as readonly string[]).includes(option)) continue;
    throw invalid(`no ${option} for ${name}, which has its own`, JSON.stringify(value));
  }
  switch (name) {
    case "cifar10":
    case "cifar100":
      return openCifar(name, data ?? defaultDataFolder(), split);
    case "mnist":
      return openMnist(data ?? defaultDataFolder(), split);
    case "folder":
      if (data === undefined) throw invalid("data (--data), the folder of the images,", "none");
      return openImageFolder(data, split, options);
    case "npz":
      if (data === undefined) throw invalid("data (--data), the .npz file,", "none");
      return openNpz(data, split, options);
    case "shapes":
      if (split === "test") return openShapes(data ?? defaultDataFolder());
      throw invalid('"test" for the split of shapes', '"train"');
  }
}

function invalid(expected: string, received: string): HireSnnError {
  return new HireSnnError("INVALID_ARGUMENT", `Expected ${expected} but received ${received}`);
}
