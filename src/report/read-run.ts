import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { HireSnnError } from "../errors";
import type { LedgerRow } from "../evaluation/ledger-row";
import { ResultSummary, type Result } from "../evaluation/results";
import { resultKeys, schemaVersion, type RunConfig } from "../evaluation/run-config";
import { readLedger } from "../evaluation/ledger";
import { journalName, readCommitted } from "../evaluation/ledger-journal";
import { Outcomes } from "./outcomes";
import { picturedSamples } from "./pictured-samples";

/** What a report needs of a run: its configuration and, of its ledger, sums and one byte per sample and attack. */
export interface RunData {
  readonly folder: string;
  readonly config: RunConfig;
  /** From the ledger, in the order of the run's plan. */
  readonly results: readonly Result[];
  readonly outcomes: ReadonlyMap<string, Outcomes>;
  /** What the run said when it was finished. */
  readonly notes: readonly string[];
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
  /** Of samples whose pictures the run kept: the label, and the prediction by {@link outcomeKey}. */
  readonly pictures: ReadonlyMap<number, Picture>;
  /** Whether it is finished. */
  readonly complete: boolean;
}

/** What the ledger says of a sample that has pictures. */
export interface Picture {
  readonly label: number;
  readonly predictions: ReadonlyMap<string, number>;
}

/** The key of a result in {@link RunData.outcomes}. */
export function outcomeKey({ attack, access }: { readonly attack: string; readonly access: string }): string {
  return `${access} ${attack}`;
}

/**
 * Reads a run, its ledger row by row, so that memory does not grow with its length.
 *
 * @throws HireSnnError RUN_INVALID if the folder is no run's, or of another version of the format; RUN_CORRUPT if its ledger was changed;
 *   IO if a file cannot be read, or a ledger without checksums is torn
 */
export async function readRun(folder: string): Promise<RunData> {
  const config = checkConfig(await readJson(join(folder, "config.json")), folder);
  const { dataset, target } = config.identity;
  const keys = resultKeys(config.identity);
  const summary = new ResultSummary(keys, target.layers ?? [], target.connections ?? []);
  const outcomes = new Map(
    keys.map((key) => [outcomeKey(key), new Outcomes(dataset.samples, target.classes)]),
  );
  const samples = new Set(await picturedSamples(folder));
  const pictures = new Map<number, { label: number; predictions: Map<string, number> }>();
  let rows = 0;
  for await (const row of readLedger(folder, await bytesOf(folder))) {
    rows++;
    const outcome = checkRow(row, config, outcomes, rows, folder);
    summary.add(row);
    outcome.add(row);
    if (!samples.has(row.sample)) continue;
    const picture = pictures.get(row.sample) ?? { label: row.label, predictions: new Map<string, number>() };
    pictures.set(row.sample, picture);
    picture.predictions.set(outcomeKey(row), row.prediction);
  }
  if (rows === 0) {
    throw new HireSnnError(
      "RUN_INVALID",
      `Expected a row or more in ${join(folder, "ledger.jsonl")} but found none: the run was stopped before its first batch was finished`,
    );
  }
  const record = (await readJson(join(folder, "results.json"), true)) as FinishedRecord | null;
  return {
    ...{ folder, config, outcomes, pictures, results: summary.results() },
    notes: typeof record?.note === "string" ? [record.note] : [],
    warnings: Array.isArray(record?.warnings) ? record.warnings.filter(isWarning) : [],
    complete: record !== null,
  };
}

/** Bytes of the ledger that are there for good: an evaluation may be adding to it, or have been stopped in the middle of that. */
async function bytesOf(folder: string): Promise<number> {
  // Ledgers from elsewhere may come without checksums.
  return existsSync(join(folder, journalName)) ? (await readCommitted(folder)).ledgerBytes : Infinity;
}

/** What a report takes of `results.json`: what is not in the ledger. */
interface FinishedRecord {
  readonly note?: unknown;
  readonly warnings?: unknown;
}

function isWarning(value: unknown): value is RunData["warnings"][number] {
  const { code, message } = (value ?? {}) as { readonly code?: unknown; readonly message?: unknown };
  return typeof code === "string" && typeof message === "string";
}

async function readJson(path: string, mayBeAbsent = false): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (mayBeAbsent && code === "ENOENT") return null;
    throw new HireSnnError("IO", `Could not read ${path}: ${message}`, { cause: error });
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new HireSnnError("RUN_INVALID", `Expected JSON in ${path} but found: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** What figures are read by; other parts of a configuration are shown as they are. */
function checkConfig(value: unknown, folder: string): RunConfig {
  const found = (value as { readonly schemaVersion?: unknown } | null)?.schemaVersion;
  const path = join(folder, "config.json");
  if (found !== schemaVersion) {
    throw new HireSnnError(
      "RUN_INVALID",
      `Expected a run of schema version ${schemaVersion} in ${path} but found ${found === undefined ? "none" : JSON.stringify(found)}` +
        (typeof found === "number"
          ? `; run it again, or report it by the version of hire-snn that wrote it`
          : ""),
    );
  }
  const { identity, execution } = value as Loose;
  const isCount = (count: unknown): boolean =>
    Number.isSafeInteger(count) && (count as number) > 0 && (count as number) <= mostSamples;
  const problem = [
    [isObject(identity) && isObject(execution), "identity and execution"],
    [isCount(identity?.target?.classes), "the number of classes in identity.target"],
    [isCount(identity?.dataset?.samples), "the number of samples in identity.dataset"],
    [
      typeof identity?.dataset?.sha256 === "string" && typeof identity.dataset.name === "string",
      "name and sha256 in identity.dataset",
    ],
    [Array.isArray(identity?.attacks) && identity.attacks.every(isAttack), "attacks in identity"],
    [typeof execution?.target?.name === "string", "the name in execution.target"],
    [typeof execution?.startedAt === "string", "startedAt in execution"],
  ].find(([good]) => good !== true)?.[1];
  if (problem === undefined) return value as RunConfig;
  throw new HireSnnError("RUN_INVALID", `Expected ${String(problem)} in ${path} but found none that fits`);
}

/** A configuration before it was checked. */
interface Loose {
  readonly identity?: {
    readonly target?: { readonly classes?: unknown };
    readonly dataset?: { readonly samples?: unknown; readonly sha256?: unknown; readonly name?: unknown };
    readonly attacks?: unknown;
  };
  readonly execution?: { readonly target?: { readonly name?: unknown }; readonly startedAt?: unknown };
}

/** More than any data set has; it bounds the memory that a file can ask for. */
const mostSamples = 1e8;

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isAttack(value: unknown): boolean {
  const attack = value as Partial<RunConfig["identity"]["attacks"][number]> | null;
  return (
    typeof attack?.id === "string" &&
    typeof attack.name === "string" &&
    isObject(attack.parameters) &&
    typeof attack.threatModel?.epsilon === "number"
  );
}

/** @returns the outcomes that the row belongs to */
function checkRow(
  row: LedgerRow,
  { identity: { dataset, target } }: RunConfig,
  outcomes: ReadonlyMap<string, Outcomes>,
  number: number,
  folder: string,
): Outcomes {
  const within = (value: unknown, length: number): boolean =>
    Number.isInteger(value) && (value as number) >= 0 && (value as number) < length;
  const outcome = outcomes.get(outcomeKey(row));
  const problem =
    (!outcome &&
      `an attack of the run but found ${JSON.stringify(row.attack)}, ${JSON.stringify(row.access)}`) ||
    (!within(row.sample, dataset.samples) &&
      `a sample below ${dataset.samples} but found ${JSON.stringify(row.sample)}`) ||
    (!within(row.label, target.classes) &&
      `a label below ${target.classes} but found ${JSON.stringify(row.label)}`) ||
    (!within(row.rank, target.classes + 1) &&
      `a rank up to ${target.classes} but found ${JSON.stringify(row.rank)}`) ||
    (row.firstSuccess !== null &&
      !within(row.firstSuccess, mostSteps) &&
      `firstSuccess, a step or null, but found ${JSON.stringify(row.firstSuccess)}`) ||
    (outcome?.has(row.sample) && `each sample once for each attack but found ${row.sample} again`);
  if (outcome && !problem) return outcome;
  throw new HireSnnError(
    "RUN_INVALID",
    `Expected ${String(problem)} in line ${number} of ${join(folder, "ledger.jsonl")}`,
  );
}

/** More steps than an attack has; it bounds the memory that a row can ask for. */
const mostSteps = 1e6;
