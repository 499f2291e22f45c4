import { stat } from "node:fs/promises";
import { join } from "node:path";
import { imageFileName } from "../evaluation/adversarial-images";
import { formatEpsilon } from "./format";
import { className, type LabelledRun, type Setting } from "./labels";
import { outcomeKey } from "./read-run";
import { strongest } from "./representative";
import type { GalleryItem, Section } from "./report-model";

/** As many sets of three as one looks at. */
const mostItems = 24;

/**
 * The images that runs kept: clean, perturbation and adversarial side by side, under the attack with the lowest accuracy of each
 * access. Left out where no run kept any.
 */
export async function gallerySection(runs: readonly LabelledRun[]): Promise<Section | undefined> {
  const items: GalleryItem[] = [];
  for (const run of runs) {
    for (const sample of run.pictures.keys()) {
      for (const setting of strongest(run.settings).slice(1)) {
        if (items.length < mostItems) items.push(...(await itemOf(run, sample, setting, runs.length > 1)));
      }
    }
  }
  if (items.length === 0) return undefined;
  return {
    id: "gallery",
    title: "What the attacks change",
    short: "Images",
    text: [
      "Clean image, perturbation and adversarial image, with the class that the network gives; in colour where it is wrong. In a perturbation " +
        "mid-grey is no change, and black and white are changes by ε. Pictures are rounded to 8 bits; figures are not made from them.",
    ],
    gallery: items,
  };
}

async function itemOf(
  run: LabelledRun,
  sample: number,
  setting: Setting,
  several: boolean,
): Promise<GalleryItem[]> {
  const folder = join(run.folder, "png", String(sample));
  const name = imageFileName(setting.result.attack, setting.result.access);
  const paths = ["clean", `${name}-perturbation`, name].map((file) => join(folder, `${file}.png`));
  const seen = run.pictures.get(sample);
  const clean = seen?.predictions.get(outcomeKey({ attack: "clean", access: "none" }));
  const attacked = seen?.predictions.get(outcomeKey(setting.result));
  if (!seen || clean === undefined || attacked === undefined) return [];
  for (const path of paths) if (!(await isFile(path))) return [];
  const says = (prediction: number): { prediction: string; correct: boolean } => ({
    prediction: prediction < 0 ? "no result" : className(run, prediction),
    correct: prediction === seen.label,
  });
  const epsilon = setting.attackName.includes("ε")
    ? ""
    : `, ε ${formatEpsilon(setting.attack?.threatModel.epsilon ?? 0)}`;
  return [
    {
      title: `${several ? `${run.label}: ` : ""}image ${sample}, ${className(run, seen.label)}, ${setting.label}${epsilon}`,
      images: [
        { role: "clean", path: paths[0] as string, ...says(clean) },
        { role: "perturbation", path: paths[1] as string },
        { role: "adversarial", path: paths[2] as string, ...says(attacked) },
      ],
    },
  ];
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
