import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Dataset } from "../datasets/dataset";
import { openDataset } from "../datasets/open-dataset";
import type { Access } from "./ledger-row";
import type { ResultKey } from "./results";

/** The folder of a run's adversarial images, in the run's. */
export const adversarialFolder = "adversarial";

/** The images of one attack with one access: an archive of them, and before it is made, a file of plain numbers. */
export interface AdversarialFile {
  readonly attack: string;
  readonly access: Access;
  readonly archive: string;
  readonly numbers: string;
}

/** The files of a run's adversarial images, one for each result but the clean one. */
export function adversarialFiles(runFolder: string, keys: readonly ResultKey[]): AdversarialFile[] {
  const names: string[] = [];
  return keys
    .filter(({ access }) => access !== "none")
    .map(({ attack, access }) => {
      const name = imageFileName(attack, access, names);
      names.push(name);
      const stem = join(runFolder, adversarialFolder, name);
      return { attack, access, archive: `${stem}.npz`, numbers: `${stem}.f32` };
    });
}

/** Whether the archives of a run are made, and nothing is left to do for them. */
export async function hasArchives(runFolder: string, keys: readonly ResultKey[]): Promise<boolean> {
  for (const { archive } of adversarialFiles(runFolder, keys)) {
    if (!(await stat(archive).catch(() => undefined))) return false;
  }
  return true;
}

/**
 * Removes what a run with archives has no more use for: the files of plain numbers that they were made of, and what a process that was
 * killed had written of an archive.
 */
export async function removeLeftovers(runFolder: string, keys: readonly ResultKey[]): Promise<void> {
  const folder = join(runFolder, adversarialFolder);
  const files = adversarialFiles(runFolder, keys);
  const partial = (await readdir(folder).catch(() => [] as string[]))
    .filter((name) => name.endsWith(".partial"))
    .map((name) => join(folder, name))
    .filter((path) => files.some(({ archive }) => path.startsWith(`${archive}.`)));
  for (const path of [...files.map(({ numbers }) => numbers), ...partial]) await rm(path, { force: true });
}

/** Adversarial images that are kept, one sample at a time. */
export interface AdversarialImages {
  /** @param sample its index in the data set */
  read(attack: string, access: Access, sample: number): Promise<Float32Array>;
}

/** The adversarial images of a run whose archives are made. One archive at a time is open. */
export class AdversarialArchives implements AdversarialImages {
  private opened: { readonly path: string; readonly images: Dataset } | undefined;

  /** @param firstSample the first of the archives' samples */
  constructor(
    private readonly files: readonly AdversarialFile[],
    private readonly firstSample: number,
  ) {}

  async read(attack: string, access: Access, sample: number): Promise<Float32Array> {
    const file = this.files.find((each) => each.attack === attack && each.access === access);
    if (!file) throw new Error(`no archive of ${attack}, ${access}`);
    if (this.opened?.path !== file.archive) {
      await this.close();
      const path = file.archive;
      this.opened = { path, images: await openDataset("npz", { data: path }) };
    }
    return (await this.opened.images.read(sample - this.firstSample, 1)).images;
  }

  async close(): Promise<void> {
    const { opened } = this;
    this.opened = undefined;
    await opened?.images.close();
  }
}

/**
 * What a file with an attack's images is called: its id with the access, as file systems allow it.
 *
 * @param others names that are taken
 */
export function imageFileName(attack: string, access: string, others: readonly string[] = []): string {
  const name = `${attack}-${access}`.replace(/[^\w.=,-]+/g, "-");
  let unique = name;
  for (let i = 2; others.includes(unique); i++) unique = `${name}-${i}`;
  return unique;
}
