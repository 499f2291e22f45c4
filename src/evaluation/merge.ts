import { open } from "node:fs/promises";
import { join } from "node:path";
import { HireSnnError } from "../errors";
import { readAt } from "./durable-file";
import type { Evaluation } from "./evaluate";
import { describeDifferences, differences } from "./json-difference";
import { ledgerName, readCommitted, type Committed } from "./ledger-journal";
import { summarise } from "./results";
import { energiesOf } from "./results-energy";
import { resultKeys, type RunConfig } from "./run-config";
import { readConfig, readResults, RunFolder } from "./run-folder";
import { warningsOf } from "./warnings";

/** A finished part of a run. */
interface Part {
  readonly folder: string;
  readonly config: RunConfig;
  readonly evaluation: Evaluation;
  readonly committed: Committed;
}

/**
 * Joins the shards of a run into one folder, whose ledger and results are those of a run that was never cut into parts. Shards may come
 * in any order, and of any division as long as they have every sample once.
 *
 * Their adversarial images and pictures stay where they are.
 *
 * @param folders of the shards, each finished
 * @param out a folder without a run
 * @throws HireSnnError RUN_MISMATCH for shards of different runs, with the differences; SHARDS_INVALID for a sample that is missing or
 *   doubled, and for a shard that is not finished; RUN_CORRUPT for a ledger that was changed
 * @example
 * await mergeRuns(["runs/1", "runs/2", "runs/3"], "runs/whole");
 */
export async function mergeRuns(folders: readonly string[], out: string): Promise<Evaluation> {
  if (folders.length === 0)
    throw new HireSnnError("INVALID_ARGUMENT", "Expected shards to merge but received none");
  const parts: Part[] = [];
  for (const folder of folders) parts.push(await readPart(folder));
  parts.sort((a, b) => a.config.execution.range.begin - b.config.execution.range.begin);
  const [first] = parts as [Part];
  for (const part of parts) requireSameIdentity(first, part);
  requireEverySampleOnce(parts);

  // What is a shard's alone; its saved images are not copied.
  const ofShards = ["shard", "resumptions", "saves"];
  const execution = Object.fromEntries(
    Object.entries(first.config.execution).filter(([key]) => !ofShards.includes(key)),
  ) as RunConfig["execution"];
  const { samples } = first.config.identity.dataset;
  const range = { begin: 0, end: samples };
  const config: RunConfig = {
    ...first.config,
    execution: { ...execution, out, range, merged: parts.map(({ folder }) => folder) },
  };
  const merged = await RunFolder.create(out, config);
  try {
    for (const part of parts) await copyRows(part, merged);
    const { layers = [], connections = [] } = config.identity.target;
    const results = await summarise(merged.rows(), resultKeys(config.identity), layers, connections);
    const energy = energiesOf(config.identity.target, results);
    const { preset, note } = first.evaluation;
    const evaluation: Evaluation = {
      ...config,
      preset,
      note,
      results,
      ...(energy && { energy }),
      warnings: mergedWarnings(parts, results),
    };
    await merged.writeResults(evaluation);
    return evaluation;
  } finally {
    await merged.close();
  }
}

async function readPart(folder: string): Promise<Part> {
  const config = await readConfig(folder);
  if (!config) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected the folder of a run but found no config.json in ${folder}`,
    );
  }
  const evaluation = (await readResults(folder)) as Evaluation | undefined;
  const committed = await readCommitted(folder);
  const { begin, end } = config.execution.range;
  const next = committed.nextSample ?? begin;
  if (!evaluation || next !== end) {
    throw new HireSnnError(
      "SHARDS_INVALID",
      `Expected finished shards but ${folder} has ${next - begin} of its ${end - begin} samples` +
        `${next === end ? " and no results" : ""}; finish it by --resume`,
    );
  }
  return { folder, config, evaluation, committed };
}

function requireSameIdentity(first: Part, part: Part): void {
  const found = [
    ...differences(
      { schemaVersion: first.config.schemaVersion },
      { schemaVersion: part.config.schemaVersion },
    ),
    ...differences(first.config.identity, part.config.identity),
  ];
  if (found.length === 0) return;
  throw new HireSnnError(
    "RUN_MISMATCH",
    `Expected shards of one run but ${part.folder} is of another than ${first.folder}:\n${describeDifferences(found)}`,
  );
}

function requireEverySampleOnce(parts: readonly Part[]): void {
  const { samples } = (parts[0] as Part).config.identity.dataset;
  let next = 0;
  let before: Part | undefined;
  for (const part of parts) {
    const { begin, end } = part.config.execution.range;
    if (begin > next) throw gap(next, begin);
    if (begin < next) {
      throw new HireSnnError(
        "SHARDS_INVALID",
        `Expected each sample once but ${before?.folder} and ${part.folder} both have samples ${begin} to ${Math.min(next, end) - 1}; ` +
          "leave one of them out",
      );
    }
    next = end;
    before = part;
  }
  if (next < samples) throw gap(next, samples);
}

function gap(begin: number, end: number): HireSnnError {
  return new HireSnnError(
    "SHARDS_INVALID",
    `Expected every sample of the run but no shard has samples ${begin} to ${end - 1}; name the folder of the missing shard`,
  );
}

async function copyRows({ folder, committed }: Part, merged: RunFolder): Promise<void> {
  const handle = await open(join(folder, ledgerName), "r");
  try {
    for (const { offset, bytes, samples } of committed.entries) {
      await merged.appendBytes(await readAt(handle, offset, bytes), samples);
    }
  } finally {
    await handle.close();
  }
}

/** Those that follow from the figures are made anew; those about models and options are the shards'. */
function mergedWarnings(parts: readonly Part[], results: Evaluation["results"]): Evaluation["warnings"] {
  const fromResults = ["TIES", "ZERO_GRADIENT", "INVALID"];
  const others = new Map(
    parts.flatMap(({ evaluation }) =>
      evaluation.warnings
        .filter(({ code }) => !fromResults.includes(code))
        .map((warning) => [`${warning.code} ${warning.message}`, warning] as const),
    ),
  );
  const isOfOptions = (code: string): boolean => code === "HIRE_PRESET" || code === "SEED_NOT_GIVEN";
  const kept = [...others.values()];
  return [
    ...kept.filter(({ code }) => isOfOptions(code)),
    ...warningsOf(results, { preset: false, seedGiven: true }),
    ...kept.filter(({ code }) => !isOfOptions(code)),
  ];
}
