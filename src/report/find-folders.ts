import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { HireSnnError } from "../errors";

/** How far below a given folder runs are looked for: a study has its runs in one level, a folder of studies in two. */
const deepest = 4;

/** Folders that a report is made of. */
export interface FoundFolders {
  readonly runs: readonly string[];
  readonly trainings: readonly string[];
}

/**
 * The folders of runs and of trainings among and below the given folders, in the order given and, below one, of their names.
 *
 * @throws HireSnnError INVALID_ARGUMENT if none is given; IO if a folder cannot be read; RUN_INVALID if there is neither in it
 */
export async function findFolders(paths: readonly string[]): Promise<FoundFolders> {
  if (paths.length === 0) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      "Expected the folder of one run or training, or more, for a report but received none",
    );
  }
  const found: { runs: string[]; trainings: string[] } = { runs: [], trainings: [] };
  for (const path of paths) {
    const { runs, trainings } = await foldersBelow(path, deepest);
    if (runs.length + trainings.length === 0) {
      throw new HireSnnError(
        "RUN_INVALID",
        "Expected the folder of a run, with config.json and ledger.jsonl, of a training, with config.json and log.jsonl, or a folder " +
          `of such folders but found none in ${path}; evaluate --out and train write one`,
      );
    }
    found.runs.push(...runs);
    found.trainings.push(...trainings);
  }
  // A study and one of its runs, both given, are not two results.
  return { runs: [...new Set(found.runs)], trainings: [...new Set(found.trainings)] };
}

async function foldersBelow(path: string, depth: number): Promise<FoundFolders> {
  if (await isFile(join(path, "config.json"))) {
    if (await isFile(join(path, "ledger.jsonl"))) return { runs: [path], trainings: [] };
    if (await isFile(join(path, "log.jsonl"))) return { runs: [], trainings: [path] };
  }
  if (depth === 0) return { runs: [], trainings: [] };
  const below: FoundFolders[] = [];
  for (const name of await foldersIn(path)) below.push(await foldersBelow(join(path, name), depth - 1));
  return {
    runs: below.flatMap(({ runs }) => runs),
    trainings: below.flatMap(({ trainings }) => trainings),
  };
}

async function foldersIn(path: string): Promise<string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    return folders.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  } catch (error) {
    throw new HireSnnError("IO", `Could not read the folder ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
