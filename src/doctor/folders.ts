import { constants, existsSync } from "node:fs";
import { access, readdir, stat, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { publishedNames, publishedSets, type PublishedName } from "../datasets/published/catalogue";

/** A folder that the package reads or writes, as it is at the moment. */
export interface Folder {
  readonly path: string;
  readonly exists: boolean;
  /** Whether something can be written in it, or it can be made. */
  readonly writable: boolean;
  readonly freeBytes: number | null;
  /** Names of what is in it, at its top. */
  readonly entries: readonly string[];
}

export async function describeFolder(path: string): Promise<Folder> {
  const exists = await stat(path).then(
    (status) => status.isDirectory(),
    () => false,
  );
  let nearest = path;
  while (!existsSync(nearest) && dirname(nearest) !== nearest) nearest = dirname(nearest);
  const writable = await access(nearest, constants.W_OK | constants.X_OK).then(
    () => exists || nearest !== path,
    () => false,
  );
  const space = await statfs(nearest).catch(() => null);
  return {
    path,
    exists,
    writable,
    freeBytes: space && space.bavail * space.bsize,
    entries: exists ? (await readdir(path).catch(() => [])).sort() : [],
  };
}

/** The published sets of which a data folder has something; whether that is all, and right, `data verify` says. */
export function datasetsIn(data: string): PublishedName[] {
  return publishedNames.filter((name) => {
    const { fetched, others, archives } = publishedSets[name];
    const folders = [fetched, ...others].flatMap(({ folder, otherFolders = [] }) => [
      folder,
      ...otherFolders,
    ]);
    return (
      folders.some((folder) => folder !== "." && existsSync(join(data, folder))) ||
      archives.some((archive) => existsSync(join(data, archive.name)))
    );
  });
}
