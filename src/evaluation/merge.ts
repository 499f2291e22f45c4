import { cp, mkdir, open, readdir, rename, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Batch, Dataset } from "../datasets/dataset";
import { openDataset } from "../datasets/open-dataset";
import { writeNpz } from "../datasets/write-npz";
import { HireSnnError } from "../errors";
import { adversarialFiles, adversarialFolder, hasArchives, type AdversarialFile } from "./adversarial-images";
import { readAt, syncFolder } from "./durable-file";
import type { Evaluation } from "./evaluate";
import { fileError } from "./file-errors";
import { picturesFolder } from "./image-pictures";
import { describeDifferences, differences } from "./json-difference";
import { ledgerName, readCommitted, type Committed } from "./ledger-journal";
import { ResourceStack } from "./resource-stack";
import { summarise, type ResultKey } from "./results";
import { energiesOf } from "./results-energy";
import { resultKeys, type RunConfig } from "./run-config";
import { readConfig, readResults, RunFolder } from "./run-folder";
import type { SampleRange } from "./shard";
import { warningsOf, type EvaluationWarning } from "./warnings";

/** Adversarial images that are read at once. */
const imagesAtOnce = 64;

/** A finished part of a run. */
interface Part {
  readonly folder: string;
  readonly config: RunConfig;
  readonly evaluation: Evaluation;
  readonly committed: Committed;
}

/**
 * Joins the shards of a run into one folder, whose ledger, results, adversarial images and pictures are those of a run that was never
 * cut into parts. Shards may come in any order, and of any division as long as they have every sample once. Adversarial images are
 * joined if every shard has kept them; a warning says where that is not so.
 *
 * The folder is there when it is complete, or not at all.
 *
 * @param folders of the shards, each finished
 * @param out a folder that does not exist, or is empty
 * @throws HireSnnError RUN_MISMATCH for shards of different runs, with the differences; SHARDS_INVALID for a sample that is missing or
 *   doubled, and for a shard that is not finished; RUN_CORRUPT for a ledger that was changed; DATASET_INVALID for adversarial images
 *   that are damaged; INVALID_ARGUMENT for a folder in use
 * @example
 * await mergeRuns(["runs/1", "runs/2", "runs/3"], "runs/whole");
 */
export async function mergeRuns(folders: readonly string[], out: string): Promise<Evaluation> {
  if (folders.length === 0)
    throw new HireSnnError("INVALID_ARGUMENT", "Expected shards to merge but received none");
  await requireEmpty(out);
  const parts: Part[] = [];
  for (const folder of folders) parts.push(await readPart(folder));
  parts.sort((a, b) => a.config.execution.range.begin - b.config.execution.range.begin);
  const [first] = parts as [Part];
  for (const part of parts) requireSameIdentity(first, part);
  requireEverySampleOnce(parts);
  // Beside its place, so that a renaming is all that is left to do at the end.
  const path = resolve(out);
  const beside = `${path}.merging`;
  try {
    const evaluation = await writeMerged(parts, beside, out);
    // Not every system renames a folder over an empty one.
    if (await exists(path)) await rmdir(path);
    await rename(beside, path);
    await syncFolder(dirname(path));
    return evaluation;
  } catch (error) {
    // Unless the folder is another merge's, which is at work on it.
    if (!(error instanceof HireSnnError && error.code === "RUN_LOCKED")) {
      await rm(beside, { recursive: true, force: true }).catch(() => undefined);
    }
    throw fileError(error, `merge into ${out}`);
  }
}

async function requireEmpty(out: string): Promise<void> {
  const entries = await readdir(out).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw fileError(error, `read the folder ${out}`);
  });
  const [found] = entries;
  if (found === undefined) return;
  throw new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected a folder that does not exist or is empty for the merged run but found ${join(out, found)}; name another folder, or remove ` +
      "what is in that one if it is not needed",
  );
}

/** @param out what the run's configuration says of its place */
async function writeMerged(parts: readonly Part[], folder: string, out: string): Promise<Evaluation> {
  const [first] = parts as readonly [Part];
  const { identity } = first.config;
  const keys = resultKeys(identity);
  const adversarial = await adversarialOf(parts, keys);
  const png = await picturedSamples(parts);

  // What is a shard's alone.
  const ofShards = ["shard", "resumptions", "saves"];
  const execution = Object.fromEntries(
    Object.entries(first.config.execution).filter(([key]) => !ofShards.includes(key)),
  ) as RunConfig["execution"];
  const range = { begin: 0, end: identity.dataset.samples };
  const config: RunConfig = {
    ...first.config,
    execution: {
      ...execution,
      ...{ out, range },
      ...((adversarial.isKept || png.length > 0) && { saves: { adversarial: adversarial.isKept, png } }),
      merged: parts.map((part) => part.folder),
    },
  };
  // What an earlier merge left that was killed is no one's.
  const merged = await RunFolder.replace(folder, config);
  const opened = new ResourceStack();
  opened.defer(() => merged.close());
  return await opened.during(async () => {
    for (const part of parts) await copyRows(part, merged);
    if (adversarial.isKept) await joinAdversarial(parts, keys, folder);
    await copyPictures(parts, folder);
    const { layers = [], connections = [] } = identity.target;
    const results = await summarise(merged.rows(), keys, layers, connections);
    const energy = energiesOf(identity.target, results);
    const { preset, note } = first.evaluation;
    const evaluation: Evaluation = {
      ...config,
      preset,
      note,
      results,
      ...(energy && { energy }),
      warnings: [...mergedWarnings(parts, results), ...adversarial.warnings],
    };
    await merged.writeResults(evaluation);
    return evaluation;
  });
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

/** Whether the merged run has adversarial images: it does if every shard has kept them. */
async function adversarialOf(
  parts: readonly Part[],
  keys: readonly ResultKey[],
): Promise<{ isKept: boolean; warnings: EvaluationWarning[] }> {
  const without: string[] = [];
  for (const { folder, config } of parts) {
    const isKept = config.execution.saves?.adversarial === true && (await hasArchives(folder, keys));
    if (!isKept) without.push(folder);
  }
  const isKept = without.length === 0;
  if (isKept || without.length === parts.length) return { isKept, warnings: [] };
  const message =
    `Adversarial images are not merged: ${without.join(", ")} kept none. Those of the other shards stay in their folders; run ` +
    "these again with --save-adversarial to have all.";
  return { isKept, warnings: [{ code: "IMAGES_NOT_MERGED", message }] };
}

async function joinAdversarial(
  parts: readonly Part[],
  keys: readonly ResultKey[],
  folder: string,
): Promise<void> {
  await mkdir(join(folder, adversarialFolder), { recursive: true });
  const ofParts = parts.map((part) => adversarialFiles(part.folder, keys));
  for (const [i, { archive }] of adversarialFiles(folder, keys).entries()) {
    const archives = ofParts.map((files) => (files[i] as AdversarialFile).archive);
    const opened = new ResourceStack();
    await opened.during(async () => {
      const sets: Dataset[] = [];
      for (const [j, path] of archives.entries()) {
        const images = await openDataset("npz", { data: path });
        opened.defer(() => images.close());
        requireLength(path, images, (parts[j] as Part).config.execution.range);
        sets.push(images);
      }
      const { imageShape, classes, mean, std } = sets[0] as Dataset;
      const length = sets.reduce((sum, images) => sum + images.length, 0);
      await writeNpz(archive, { length, imageShape, classes, mean, std, firstIndex: 0 }, batchesOf(sets));
    });
  }
}

function requireLength(path: string, { length }: Dataset, { begin, end }: SampleRange): void {
  if (length === end - begin) return;
  throw new HireSnnError(
    "SHARDS_INVALID",
    `Expected the adversarial images of ${end - begin} samples in ${path} but found ${length}; run that shard again`,
  );
}

async function* batchesOf(sets: readonly Dataset[]): AsyncGenerator<Batch> {
  for (const images of sets) {
    for (let start = 0; start < images.length; start += imagesAtOnce)
      yield await images.read(start, Math.min(imagesAtOnce, images.length - start));
  }
}

/** Samples that a shard's folder has pictures of. */
async function picturedSamples(parts: readonly Part[]): Promise<number[]> {
  const samples: number[] = [];
  for (const { folder, config } of parts) {
    const { range, saves } = config.execution;
    for (const sample of saves?.png ?? []) {
      const isOwn = sample >= range.begin && sample < range.end;
      if (isOwn && (await exists(join(folder, picturesFolder, String(sample))))) samples.push(sample);
    }
  }
  return samples.sort((a, b) => a - b);
}

async function copyPictures(parts: readonly Part[], merged: string): Promise<void> {
  for (const { folder } of parts) {
    const pictures = join(folder, picturesFolder);
    if (await exists(pictures)) await cp(pictures, join(merged, picturesFolder), { recursive: true });
  }
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
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
