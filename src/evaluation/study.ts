import { mkdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { Attack } from "../attacks/attack";
import type { Classifier } from "../classifiers/classifier";
import { isTorchScript } from "../checkpoint/torchscript-archive";
import { loadModel, type ModelOptions } from "../classifiers/load-model";
import type { Coding } from "../classifiers/spiking-classifier";
import type { SurrogateOptions } from "../networks/surrogate";
import type { Dataset } from "../datasets/dataset";
import { HireSnnError } from "../errors";
import type { Seed } from "../tensor/philox";
import { computeRuns } from "./compute-runs";
import { formatJson, writeDurably } from "./durable-file";
import { planRun, type Evaluation } from "./evaluate";
import { fileError, reportFileSizeLimit } from "./file-errors";
import { PassCount, type Passes } from "./pass-count";
import type { Progress } from "./progress";
import { ResourceStack } from "./resource-stack";
import { Run } from "./run";
import { schemaVersion } from "./run-config";
import { RunLock } from "./run-lock";
import type { Shard } from "./shard";

/** How a model of a study is run in one of its configurations. */
export interface ModelSettings {
  readonly timesteps?: number | undefined;
  readonly leak?: number | undefined;
  readonly surrogate?: SurrogateOptions | undefined;
}

/** A model of a study, which is loaded when its turn comes. */
export interface StudyModel {
  /** What its folders are called; a source of the same name is the same model, and no other has it. */
  readonly name: string;
  /** Its file, if it has one: two files of one name are refused. */
  readonly path?: string | undefined;
  /** Its time steps where it has its own, whatever the study lists. */
  readonly timesteps?: number | undefined;
  /** Its coding where it was given: one file under two codings is two models. */
  readonly coding?: Coding | undefined;
  /** Whether it is one and the same in every configuration, as a TorchScript program is. @default false */
  readonly fixed?: boolean | undefined;
  /**
   * Called once for each configuration; the study disposes the classifier.
   *
   * @param seed the study's, of random numbers that the model itself draws
   */
  load(settings: ModelSettings, seed: Seed): Promise<Classifier>;
}

/** What a study computes: the product of its lists. */
export interface StudyOptions {
  /** The models whose robustness is measured. */
  readonly models: readonly StudyModel[];
  /**
   * Models whose images the others classify in black box, one run for each; a model is no source of itself. A source is run as the
   * target is: same time steps, leak and surrogate. @default white box alone
   */
  readonly sources?: readonly StudyModel[] | undefined;
  readonly attacks: readonly Attack[];
  /** @default each model's own */
  readonly timesteps?: readonly number[] | undefined;
  /** Leaks of all neurons in the place of a model's own. @default each model's own */
  readonly leaks?: readonly number[] | undefined;
  /** @default the original's */
  readonly surrogates?: readonly SurrogateOptions[] | undefined;
  readonly dataset: Dataset;
  /** The first this many. @default all */
  readonly samples?: number | undefined;
  /** Of all random numbers, also those that rate-coded models draw unless they have a seed of their own. @default 0 */
  readonly seed?: Seed | undefined;
  /** @default 32 */
  readonly batchSize?: number | undefined;
  /** A folder for the runs' folders and `study.json`; runs in it are gone on with. @default nothing is kept */
  readonly out?: string | undefined;
  /**
   * Compute one of several parts of all runs, for {@link mergeRuns}; its folder is not `out` but `out-INDEX-of-COUNT` beside it.
   * @default all samples
   */
  readonly shard?: Shard | undefined;
  readonly allowZeroGradient?: boolean | undefined;
  readonly execution?: Readonly<Record<string, unknown>> | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called after each step of an attack and each batch; fractions are those of the whole study. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** One run of a study. */
export interface StudyRun {
  /** Also the name of its folder in the study's. */
  readonly name: string;
  readonly target: string;
  readonly source: string | null;
  readonly settings: ModelSettings;
}

/** What a study made. */
export interface Study {
  readonly runs: readonly (StudyRun & { readonly evaluation: Evaluation })[];
  /** What this call took; less than single runs take together, and nothing for runs that were finished. */
  readonly passes: Passes;
}

/**
 * A model of a study from a checkpoint or a TorchScript program. Under rate coding it draws by the study's seed, as {@link evaluate}'s
 * models on the command line do by theirs.
 *
 * @param options what the study's own settings do not say, and what takes their place
 */
export function studyModel(path: string, options: ModelOptions = {}, name = nameOf(path)): StudyModel {
  if (isTorchScript(path)) {
    if (options.timesteps !== undefined) throw fixedModel(name, "time steps");
    return { name, path, fixed: true, load: () => loadModel(path, options) };
  }
  return {
    ...{ name, path, timesteps: options.timesteps, coding: options.coding },
    load: ({ timesteps, leak, surrogate }, seed) =>
      loadModel(path, {
        ...options,
        codingSeed: options.codingSeed ?? seed,
        timesteps: options.timesteps ?? timesteps,
        leaks: options.leaks ?? leak,
        surrogate: options.surrogate ?? surrogate,
      }),
  };
}

/**
 * Computes many evaluations, the product of lists of models, sources, attacks and settings, each with an ordinary run folder. Those of
 * one setting are computed together, batch by batch: a clean pass, a first gradient and the images of an attack on a model are made
 * once, for its own run and for those that take it as a source. Called again with the same folder, it goes on where it was.
 *
 * @throws HireSnnError INVALID_ARGUMENT for options that do not fit; what {@link evaluate} throws for a run
 * @example
 * const models = ["a.pt", "b.pt"].map((path) => studyModel(path, { dataset }));
 * await study({ models, sources: models, attacks, timesteps: [4, 8], dataset, samples: 1000, out: "studies/pair" });
 */
export async function study(options: StudyOptions): Promise<Study> {
  const { dataset, seed = 0, batchSize = 32, allowZeroGradient = false, signal } = options;
  const out = folderOf(options);
  const settings = settingsOf(options);
  requireNames(options);
  requireEffect(options);
  const planned = settings.map((each) => plannedRuns(options, each));
  requireFolders(planned.flat());
  const passes = new PassCount();
  const done: (StudyRun & { evaluation: Evaluation })[] = [];
  const opened = new ResourceStack();
  return await opened.during(async () => {
    opened.defer(reportFileSizeLimit());
    if (out !== undefined) {
      const lock = await RunLock.acquire(out);
      opened.defer(() => lock.release());
      await describeStudy(out, options, planned.flat(), undefined);
    }
    // Time steps are what a pass costs; what else costs is the same in all groups.
    const costs = settings.map(({ timesteps = 1 }) => timesteps);
    const progressOf = overall(
      options.onProgress,
      costs,
      planned.map(({ length }) => length),
    );
    for (const [i, runs] of planned.entries()) {
      const models = await loadModels(options, runs, settings[i] ?? {});
      try {
        const inGroup = runs.map(({ name, target, source }) => {
          const plan = planRun(
            {
              ...{ dataset, seed: options.seed, batchSize, shard: options.shard, attacks: options.attacks },
              ...{ samples: options.samples, execution: options.execution },
              target: models.get(target) as Classifier,
              source: source === null ? undefined : models.get(source),
              ...(out !== undefined && { out: join(out, name), resume: true }),
            },
            name,
          );
          return new Run(plan);
        });
        const onProgress = progressOf(i);
        const common = { dataset, seed, batchSize, allowZeroGradient, passes, signal, onProgress };
        const evaluations = await computeRuns(inGroup, common);
        for (const [j, run] of runs.entries())
          done.push({ ...run, evaluation: evaluations[j] as Evaluation });
      } finally {
        for (const model of models.values()) model[Symbol.dispose]();
      }
    }
    const counted = { forward: passes.forward, gradient: passes.gradient };
    if (out !== undefined) await describeStudy(out, options, planned.flat(), counted);
    return { runs: done, passes: counted };
  });
}

/** Shards have folders of their own, so that they can be computed side by side and merged. */
function folderOf({ out, shard }: StudyOptions): string | undefined {
  if (out === undefined || shard === undefined) return out;
  return join(dirname(out), `${basename(out)}-${shard.index}-of-${shard.count}`);
}

/** The product of the settings; one without any where there are no lists. */
function settingsOf({ timesteps, leaks, surrogates }: StudyOptions): ModelSettings[] {
  const or = <T>(list: readonly T[] | undefined): readonly (T | undefined)[] =>
    list && list.length > 0 ? list : [undefined];
  return or(timesteps).flatMap((steps) =>
    or(leaks).flatMap((leak) => or(surrogates).map((surrogate) => ({ timesteps: steps, leak, surrogate }))),
  );
}

/** Models are told apart by their names alone, so that one name has to be one model. */
function requireNames({ models, sources = [], timesteps = [] }: StudyOptions): void {
  if (models.length === 0) {
    throw new HireSnnError("INVALID_ARGUMENT", "Expected models for a study but received none");
  }
  for (const list of [models, sources]) {
    const doubled = list.find(({ name }, i) => list.findIndex((other) => other.name === name) !== i);
    if (doubled) throw oneName(doubled.name, "twice");
  }
  for (const source of sources) {
    const model = models.find(({ name }) => name === source.name);
    if (!model || model === source || areOneFile(model, source)) continue;
    throw oneName(source.name, `for ${model.path ?? "a model"} and for ${source.path ?? "another one"}`);
  }
  const own = timesteps.length > 0 && [...models, ...sources].find((model) => model.timesteps !== undefined);
  if (own) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected time steps either of the study or of the model ${own.name} but received both, whose runs would be named by time steps ` +
        "that they do not have",
    );
  }
}

/** As a source it is run beside targets of any settings; as a target, its runs would be named by settings that it does not have. */
function requireEffect({ models, timesteps = [], leaks = [], surrogates = [] }: StudyOptions): void {
  const fixed = models.find((model) => model.fixed);
  if (!fixed) return;
  if (timesteps.length > 0) throw fixedModel(fixed.name, "list of time steps");
  if (leaks.length > 0) throw fixedModel(fixed.name, "list of leaks");
  if (surrogates.length > 0) throw fixedModel(fixed.name, "list of surrogates");
}

function fixedModel(name: string, found: string): HireSnnError {
  return new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected no ${found} for ${name}, a TorchScript program, which is run as it is; give it a study of its own, or name it among the ` +
      "sources alone",
  );
}

function areOneFile(a: StudyModel, b: StudyModel): boolean {
  if (a.path === undefined || b.path === undefined) return false;
  const same = resolve(a.path) === resolve(b.path);
  return same && a.timesteps === b.timesteps && a.coding === b.coding;
}

function oneName(name: string, found: string): HireSnnError {
  return new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected models with a name of their own each but received ${name} ${found}; give one of them another name`,
  );
}

/** Names can become one when they are made names of folders. */
function requireFolders(runs: readonly StudyRun[]): void {
  const folders = new Map<string, StudyRun>();
  for (const run of runs) {
    const other = folders.get(run.name);
    folders.set(run.name, run);
    if (!other) continue;
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected a folder for each run but received ${run.name} for ${other.target} and for ${run.target}, or the same settings twice`,
    );
  }
}

function plannedRuns({ models, sources = [] }: StudyOptions, settings: ModelSettings): StudyRun[] {
  const names = models.map(({ name }) => name);
  const suffix = describeSettings(settings);
  return names.flatMap((target) => {
    const others = sources.filter(({ name }) => name !== target);
    const run = (source: string | null): StudyRun => ({
      name: `${target}${suffix}${source === null ? "" : `-from-${source}`}`.replace(/[^\w.=,-]+/g, "-"),
      ...{ target, source, settings },
    });
    return others.length === 0 ? [run(null)] : others.map(({ name }) => run(name));
  });
}

function describeSettings({ timesteps, leak, surrogate }: ModelSettings): string {
  const parts = [
    timesteps === undefined ? "" : `-T${timesteps}`,
    leak === undefined ? "" : `-leak${leak}`,
    surrogate === undefined
      ? ""
      : `-${surrogate.shape}${surrogate.a === undefined ? "" : `-a${surrogate.a}`}` +
        (surrogate.scale === undefined ? "" : `-${surrogate.scale}`),
  ];
  return parts.join("");
}

async function loadModels(
  { models, sources = [], seed = 0 }: StudyOptions,
  runs: readonly StudyRun[],
  settings: ModelSettings,
): Promise<Map<string, Classifier>> {
  const needed = new Set(
    runs.flatMap(({ target, source }) => (source === null ? [target] : [target, source])),
  );
  const loaded = new Map<string, Classifier>();
  try {
    for (const model of [...models, ...sources]) {
      const { name } = model;
      if (needed.has(name) && !loaded.has(name)) loaded.set(name, await model.load(settings, seed));
    }
    return loaded;
  } catch (error) {
    for (const model of loaded.values()) model[Symbol.dispose]();
    throw error;
  }
}

/**
 * The progress of each group as that of the whole study.
 *
 * @param costs what the groups take, in comparison with each other
 * @param counts how many runs each has
 */
function overall(
  report: StudyOptions["onProgress"],
  costs: readonly number[],
  counts: readonly number[],
): (group: number) => StudyOptions["onProgress"] {
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);
  const total = sum(costs);
  const before = costs.map(() => 0); // of each group so far, what earlier processes computed
  return (group) => {
    if (!report) return undefined;
    const own = costs[group] ?? 0;
    return (progress) => {
      before[group] = own * progress.fractionBefore;
      const fraction = (sum(costs.slice(0, group)) + own * progress.fraction) / total;
      const runsDone = sum(counts.slice(0, group)) + progress.runsDone;
      report({
        ...progress,
        ...{ fraction, fractionBefore: sum(before) / total, runsDone, runsTotal: sum(counts) },
      });
    };
  };
}

async function describeStudy(
  out: string,
  { dataset, samples, attacks, seed = 0, shard }: StudyOptions,
  runs: readonly StudyRun[],
  passes: Passes | undefined,
): Promise<void> {
  const description = {
    schemaVersion,
    dataset: { name: dataset.name, split: dataset.split, samples: samples ?? dataset.length },
    attacks: attacks.map(({ name, parameters }) => ({ name, parameters })),
    seed: String(seed),
    ...(shard && { shard }),
    runs: runs.map((run) => ({ ...run, folder: run.name })),
    finished: passes !== undefined,
    ...(passes && { passes }),
  };
  try {
    await mkdir(out, { recursive: true });
    await writeDurably(out, "study.json", formatJson(description));
  } catch (error) {
    throw fileError(error, `write ${join(out, "study.json")}`);
  }
}

function nameOf(path: string): string {
  return basename(path).replace(/\.(pt|pth|safetensors)$/, "");
}
