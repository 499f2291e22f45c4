import { join } from "node:path";

const folder = join(__dirname, "..", "examples", "demo");

/**
 * A pair of networks to try things on, which comes with the package: two small spiking networks that learned the same task from different seeds, and
 * the images of that task. They are small enough that an evaluation takes seconds.
 *
 * @example
 * const dataset = await openDataset("shapes", { data: demo.data });
 * const target = await loadClassifier(demo.target, dataset);
 */
export const demo = {
  /** Path of the checkpoint that is evaluated. */
  target: join(folder, "target.pt"),
  /** Path of the checkpoint on which black-box images are made. */
  source: join(folder, "source.pt"),
  /** Folder of the data set `shapes`: 320 images, 3 x 16 x 16. */
  data: folder,
} as const;
