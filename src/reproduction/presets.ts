import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Dataset, Split } from "../datasets/dataset";
import { drawShapes } from "../datasets/draw-shapes";
import { openDataset } from "../datasets/open-dataset";
import { HireSnnError } from "../errors";
import type { TrainingSettings } from "../training/options";
import { publishedVgg11, publishedVgg5, type PublishedFigures } from "./published";

/** Settings that the trainings of a reproduction share, beside what tells them apart. */
export type SharedSettings = Omit<TrainingSettings, "method" | "network" | "seed" | "from" | "timesteps">;

/**
 * A network, its data and its trainings: what a reproduction is of. Those of the paper's networks have what is known of its schedule.
 *
 * @example
 * const own = {
 *   ...{ name: "own", title: "VGG5 on my images", dataset: "npz", network: "VGG5", timesteps: 6 },
 *   ...{ ann: { epochs: 30 }, spiking: { epochs: 10 } },
 *   open: (split) => openDataset("npz", { data: `data/${split}.npz`, split }),
 * };
 * await reproduce({ preset: own, out: "runs/own" });
 */
export interface ReproductionPreset {
  readonly name: string;
  /** What stands over the table. */
  readonly title: string;
  /** Name of the data set. */
  readonly dataset: string;
  readonly network: string;
  readonly timesteps: number;
  readonly ann: SharedSettings & { readonly epochs: number };
  /** Of the traditional and the HIRE networks: the same, so that the methods alone differ. */
  readonly spiking: SharedSettings & { readonly epochs: number };
  /** The paper's accuracies; absent if the paper has nothing to compare with. */
  readonly published?: PublishedFigures;
  /**
   * Opens a part of the data set; the reproduction closes it.
   *
   * @param data the folder that was named, if any
   * @param out the folder of the reproduction, where sets that are drawn are kept
   */
  open(split: Split, data: string | undefined, out: string): Promise<Dataset>;
}

/**
 * What the parent pipeline of the paper publishes: the learning rate falls by ten at 60, 80 and 90 % of the epochs; thresholds are found on
 * one batch of 512 images over 100 steps; spiking networks are tuned by Adam at 1e-4. The paper's numbers of epochs are not known: these
 * are those of a thorough training.
 */
const schedule = { kind: "step" } as const;
const paperAnn = { epochs: 200, schedule };
const paperSpiking = { epochs: 100, schedule };

/** Enough for clean accuracies well above 90 % and intervals of a few points, and few enough for a demo of minutes. */
const shapesImages = { train: 4000, test: 640 };

const presets: readonly ReproductionPreset[] = [
  {
    name: "vgg5-cifar10",
    title: "VGG5 on CIFAR-10, T = 6",
    ...{ dataset: "cifar10", network: "VGG5", timesteps: 6 },
    // It takes three times the default, and comes further with it in few epochs.
    ann: { ...paperAnn, learningRate: 0.03 },
    spiking: paperSpiking,
    published: publishedVgg5,
    open: (split, data) => openDataset("cifar10", { split, data }),
  },
  {
    name: "vgg11-cifar100",
    title: "VGG11 on CIFAR-100, T = 8",
    ...{ dataset: "cifar100", network: "VGG11", timesteps: 8 },
    ann: paperAnn,
    spiking: paperSpiking,
    published: publishedVgg11,
    open: (split, data) => openDataset("cifar100", { split, data }),
  },
  {
    name: "resnet12-cifar10",
    title: "ResNet12 on CIFAR-10, T = 6",
    ...{ dataset: "cifar10", network: "ResNet12", timesteps: 6 },
    ann: paperAnn,
    spiking: paperSpiking,
    published: {},
    open: (split, data) => openDataset("cifar10", { split, data }),
  },
  {
    name: "shapes",
    title: "A small network on the procedural set shapes, T = 6",
    ...{ dataset: "shapes", network: "12,A,24,24,A/64,10", timesteps: 6 },
    ann: { epochs: 12, batchSize: 50, optimizer: "adam", learningRate: 2e-3, weightDecay: 0, heldOut: 400 },
    spiking: {
      ...{ epochs: 4, batchSize: 50, learningRate: 5e-4, heldOut: 400 },
      calibration: { images: 256, timesteps: 40 },
    },
    open: openDrawnShapes,
  },
];

/** The names of the reproductions that are described here. */
export const presetNames: readonly string[] = presets.map(({ name }) => name);

/** @throws HireSnnError INVALID_ARGUMENT if there is none of the name */
export function findPreset(name: string): ReproductionPreset {
  const preset = presets.find((each) => each.name === name);
  if (preset) return preset;
  throw new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected one of ${presetNames.join(", ")} for the preset but received "${name}"`,
  );
}

async function openDrawnShapes(split: Split, data: string | undefined, out: string): Promise<Dataset> {
  if (data !== undefined) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected no data (--data) for shapes, whose images are drawn, but received ${data}`,
    );
  }
  const folder = join(out, "data", split);
  // The description is written last.
  if (!existsSync(join(folder, "images.json"))) await drawShapes(folder, split, shapesImages[split]);
  return openDataset("shapes", { data: folder });
}
