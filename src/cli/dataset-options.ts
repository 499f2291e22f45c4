import { Option, type Command } from "commander";
import { datasetNames, openDataset, type DatasetName } from "../datasets/open-dataset";
import type { Dataset, Split } from "../datasets/dataset";
import { parseInteger, parseNumbers } from "./numbers";

/** The options that name a data set, as commander gives them. */
export interface DatasetArguments {
  readonly dataset: DatasetName;
  readonly data?: string;
  readonly split: Split;
  readonly classes?: number;
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  readonly resize?: number;
  readonly crop?: number;
}

/**
 * Adds the options that say which images a command works on.
 *
 * @param mandatory whether it always works on some
 * @param split unless another is asked for
 */
export function addDatasetOptions(command: Command, mandatory = true, split: Split = "test"): Command {
  const integer = (name: string) => (text: string) => parseInteger(text, name, 1);
  const numbers = (name: string) => (text: string) => parseNumbers(text, name);
  return command
    .addOption(
      new Option("--dataset <name>", "data set").choices(datasetNames).makeOptionMandatory(mandatory),
    )
    .option(
      "--data <path>",
      "its folder, or a .tar.gz of CIFAR, or the .npz (default: $HIRE_SNN_DATA, else the cache folder)",
    )
    .addOption(new Option("--split <name>", "part of it").choices(["test", "train"]).default(split))
    .option("--classes <n>", "folder, npz: number of classes, if the files do not say", integer("--classes"))
    .option("--mean <list>", "folder, npz: per channel, in pixel units: 0.485,0.456,0.406", numbers("--mean"))
    .option("--std <list>", "folder, npz: per channel, in pixel units: 0.229,0.224,0.225", numbers("--std"))
    .option(
      "--resize <n>",
      "folder: pixels of the shorter side, as torchvision's Resize",
      integer("--resize"),
    )
    .option("--crop <n>", "folder: pixels of both sides, as torchvision's CenterCrop", integer("--crop"));
}

/** Opens what the options name. */
export function openNamedDataset(options: DatasetArguments): Promise<Dataset> {
  const { data, split, classes, mean, std, resize, crop } = options;
  return openDataset(options.dataset, { data, split, classes, mean, std, resize, crop });
}
