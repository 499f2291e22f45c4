import { readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { HireSnnError } from "../errors";
import type { EpochRecord } from "../training/epoch-record";

/** What a report needs of a training: what it was, and its log. */
export interface TrainingData {
  readonly folder: string;
  /** The folder's name; {@link readTrainings} makes them unique. */
  readonly label: string;
  readonly method: string;
  readonly network: string;
  readonly timesteps: number;
  /** Epochs that it was asked for; the log has fewer while it goes on. */
  readonly epochs: number;
  readonly log: readonly EpochRecord[];
}

/**
 * Reads trainings, with labels that tell them apart.
 *
 * @throws HireSnnError RUN_INVALID if a folder is no training's; IO if a file cannot be read
 */
export async function readTrainings(folders: readonly string[]): Promise<TrainingData[]> {
  const read: TrainingData[] = [];
  for (const folder of folders) read.push(await readTraining(folder));
  const labels = read.map(({ label }) => label);
  return read.map((training) => ({
    ...training,
    label: labels.filter((label) => label === training.label).length > 1 ? training.folder : training.label,
  }));
}

async function readTraining(folder: string): Promise<TrainingData> {
  const configPath = join(folder, "config.json");
  const config = parseJson(await readText(configPath), configPath) as Loose | null;
  const { method, network, timesteps, epochs } = config?.identity ?? {};
  if (
    typeof method !== "string" ||
    typeof network !== "string" ||
    typeof timesteps !== "number" ||
    typeof epochs !== "number"
  ) {
    throw new HireSnnError(
      "RUN_INVALID",
      `Expected method, network, timesteps and epochs of a training in identity of ${configPath} but found others`,
    );
  }
  const logPath = join(folder, "log.jsonl");
  const lines = (await readText(logPath)).split("\n");
  // A line without its end is being written.
  const log = lines
    .slice(0, -1)
    .map((line, index) => checkEpoch(parseJson(line, logPath), index + 1, logPath));
  return { folder, label: basename(resolve(folder)), method, network, timesteps, epochs, log };
}

/** A configuration before it was checked. */
interface Loose {
  readonly identity?: {
    readonly method?: unknown;
    readonly network?: unknown;
    readonly timesteps?: unknown;
    readonly epochs?: unknown;
  };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new HireSnnError("IO", `Could not read ${path}: ${(error as Error).message}`, { cause: error });
  }
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new HireSnnError("RUN_INVALID", `Expected JSON in ${path} but found: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** What is plotted; others are shown as they are. */
function checkEpoch(value: unknown, line: number, path: string): EpochRecord {
  const record = value as Partial<Record<keyof EpochRecord, unknown>> | null;
  const isNumber = (found: unknown): boolean => typeof found === "number";
  const areNumbers = (found: unknown): boolean =>
    typeof found === "object" && found !== null && Object.values(found).every(isNumber);
  const problem = [
    [isNumber(record?.epoch), "epoch"],
    [isNumber(record?.loss), "loss"],
    [isNumber(record?.learningRate), "learningRate"],
    [isNumber(record?.trainingAccuracy), "trainingAccuracy"],
    [record?.heldOutAccuracy === null || isNumber(record?.heldOutAccuracy), "heldOutAccuracy"],
    [areNumbers(record?.rates), "rates"],
    [areNumbers(record?.thresholds), "thresholds"],
    [areNumbers(record?.leaks), "leaks"],
  ].find(([good]) => good !== true)?.[1];
  if (problem === undefined) return value as EpochRecord;
  throw new HireSnnError("RUN_INVALID", `Expected ${String(problem)} of an epoch in line ${line} of ${path}`);
}
