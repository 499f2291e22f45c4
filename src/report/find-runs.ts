import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { HireSnnError } from "../errors";

/** How far below a given folder runs are looked for: a study has its runs in one level, a folder of studies in two. */
const deepest = 4;

/**
 * The folders of runs among and below the given folders, in the order given and, below one, of their names.
 *
 * @throws HireSnnError INVALID_ARGUMENT if none is given; IO if a folder cannot be read; RUN_INVALID if there is no run in it
 */
export async function findRuns(paths: readonly string[]): Promise<string[]> {
  if (paths.length === 0) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      "Expected the folder of one run or more for a report but received none",
    );
  }
  const found: string[] = [];
  for (const path of paths) {
    const runs = await runsIn(path, deepest);
    if (runs.length === 0) {
      throw new HireSnnError(
        "RUN_INVALID",
        `Expected the folder of a run, with config.json and ledger.jsonl, or a folder of such folders but found none in ${path}; ` +
          "evaluate --out writes one",
      );
    }
    found.push(...runs);
  }
  // A study and one of its runs, both given, are not two results.
  return [...new Set(found)];
}

async function runsIn(path: string, depth: number): Promise<string[]> {
  if ((await isFile(join(path, "ledger.jsonl"))) && (await isFile(join(path, "config.json")))) return [path];
  if (depth === 0) return [];
  const runs: string[] = [];
  for (const name of await foldersIn(path)) runs.push(...(await runsIn(join(path, name), depth - 1)));
  return runs;
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
