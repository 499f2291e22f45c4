import { readdir } from "node:fs/promises";
import { join } from "node:path";

/** Of a run, as many as one looks at. */
const mostSamples = 8;

/**
 * The samples whose pictures are in the folder of a run: `png/SAMPLE/`.
 *
 * @returns indices in the data set, the first ones; none if there is no such folder
 */
export async function picturedSamples(folder: string): Promise<number[]> {
  const names = await readdir(join(folder, "png")).catch(() => []);
  return names
    .filter((name) => /^\d{1,9}$/.test(name))
    .map(Number)
    .sort((a, b) => a - b)
    .slice(0, mostSamples);
}
