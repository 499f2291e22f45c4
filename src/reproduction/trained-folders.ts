import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { HireSnnError } from "../errors";
import { trainingMethods, type TrainingSettings } from "../training/options";
import { networkSeeds, type PlannedTraining } from "./plan";
import type { ReproductionPreset } from "./presets";

/**
 * Trainings that are there already, with the settings that they were made with.
 *
 * @param folder holds them under the names of a reproduction's: ann-0, traditional-0, hire-0, ann-1, ...
 * @throws HireSnnError RUN_INVALID if one is missing, not finished, or of another network, data set, method or seed
 */
export function readTrainedFolders(folder: string, preset: ReproductionPreset): PlannedTraining[] {
  const problems: string[] = [];
  const trainings = networkSeeds.flatMap((seed) =>
    trainingMethods.map((method): PlannedTraining => {
      const name = `${method}-${seed}`;
      const identity = readIdentity(join(folder, name));
      if (typeof identity === "string") problems.push(`${name}: ${identity}`);
      else
        problems.push(
          ...differences(identity, { ...preset, method, seed }).map((text) => `${name}: ${text}`),
        );
      const settings =
        typeof identity === "string" ? { method, network: preset.network } : settingsOf(identity);
      return { name, method, seed, from: method === "ann" ? null : `ann-${seed}`, settings };
    }),
  );
  if (problems.length === 0) return trainings;
  throw new HireSnnError(
    "RUN_INVALID",
    `Expected six finished trainings for ${preset.name} in ${folder} but found:\n  ${problems.join("\n  ")}\n` +
      "train makes them, with --out and a folder's name",
  );
}

type Identity = Readonly<Record<string, unknown>>;

/** @returns a text that says what is wrong */
function readIdentity(folder: string): Identity | string {
  const path = join(folder, "config.json");
  if (!existsSync(path)) return "no training";
  if (!existsSync(join(folder, "model.pt"))) return "a training that is not finished";
  try {
    const { identity } = JSON.parse(readFileSync(path, "utf8")) as { identity?: unknown };
    if (typeof identity === "object" && identity !== null) return identity as Identity;
    return `no identity in ${path}`;
  } catch (error) {
    return `no settings in ${path}: ${(error as Error).message}`;
  }
}

function differences(
  identity: Identity,
  wanted: { network: string; dataset: string; method: string; seed: number },
): string[] {
  const { name } = (identity["dataset"] ?? {}) as { name?: unknown };
  const pairs: [string, unknown, unknown][] = [
    ["method", identity["method"], wanted.method],
    ["network", identity["network"], wanted.network],
    ["data set", name, wanted.dataset],
    ["seed", identity["seed"], wanted.seed],
  ];
  return pairs.flatMap(([what, found, expected]) =>
    String(found) === String(expected)
      ? []
      : [`${what} ${JSON.stringify(found)} instead of ${JSON.stringify(expected)}`],
  );
}

/** Of an identity, what are settings. */
function settingsOf(identity: Identity): Omit<TrainingSettings, "from"> {
  const others = ["version", "dataset", "from"];
  const settings = Object.entries(identity).filter(([key]) => !others.includes(key));
  return Object.fromEntries(settings) as unknown as Omit<TrainingSettings, "from">;
}
