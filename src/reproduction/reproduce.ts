import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { hirePreset } from "../attacks/hire-preset";
import type { Device } from "../classifiers/classifier";
import type { Dataset } from "../datasets/dataset";
import { HireSnnError } from "../errors";
import { formatJson, writeDurably } from "../evaluation/durable-file";
import { fileError } from "../evaluation/file-errors";
import type { Progress } from "../evaluation/progress";
import { RunLock } from "../evaluation/run-lock";
import { study, studyModel } from "../evaluation/study";
import { getThreads } from "../native/addon";
import { createReport } from "../report/create-report";
import { writeReport } from "../report/write-report";
import type { EpochRecord } from "../training/epoch-record";
import { trainingMethods, type TrainingMethod } from "../training/options";
import { train, type TrainingStatus } from "../training/train";
import { measure } from "./measure";
import { fitPlan, fullPlan, type PlannedTraining, type ReproductionPlan } from "./plan";
import { findPreset, type ReproductionPreset } from "./presets";
import { describeTable, rowOf, tableAsMarkdown, type TableRow, type TextTable } from "./table";
import { readTrainedFolders } from "./trained-folders";

const planName = "plan.json";

/** What is reproduced, within which time, and where. */
export interface ReproduceOptions {
  /** One of {@link reproductionNames}, or a description of one's own. */
  readonly preset: string | ReproductionPreset;
  /** Folder of the reproduction. */
  readonly out: string;
  /** Where the data set is; see {@link openDataset}. */
  readonly data?: string | undefined;
  /** Seconds that all of it may take on this machine. @default the whole schedule */
  readonly budgetSeconds?: number | undefined;
  /** Test images, the first of the set. @default all, or what fits the budget */
  readonly samples?: number | undefined;
  /**
   * A folder of finished trainings under the names of a reproduction's (ann-0, traditional-0, hire-0, ann-1, ...), whatever their settings:
   * they are evaluated, and nothing is trained.
   */
  readonly trainings?: string | undefined;
  /** Where networks are trained, and spiking ones attacked; ANNs are attacked on the CPU. @default where it began, else "cpu" */
  readonly device?: Device | undefined;
  /** Whether trainings multiply in bfloat16, which is meant for GPUs; see {@link TrainingSettings}. @default false */
  readonly mixedPrecision?: boolean | undefined;
  /** Go on with what is in the folder, by the plan that is kept there; a folder without one gets one. @default false */
  readonly resume?: boolean | undefined;
  /** Stops it within a mini-batch or a layer; what is finished is kept. */
  readonly signal?: AbortSignal | undefined;
  /** Called once, before the first training. */
  readonly onPlan?: ((plan: ReproductionPlan) => void) | undefined;
  /** Called when another part begins: "measuring", "training hire-0", "evaluating hire", "reporting". */
  readonly onStage?: ((stage: string) => void) | undefined;
  /** Called after each mini-batch. */
  readonly onTraining?: ((status: TrainingStatus) => void) | undefined;
  /** Called after each epoch with its line of the training's log. */
  readonly onEpoch?: ((epoch: EpochRecord) => void) | undefined;
  /** Called after each step of an attack and each batch; fractions are those of one method's two runs. */
  readonly onEvaluation?: ((progress: Progress) => void) | undefined;
  /** Told once of what may make a continued training end in other bits. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** What {@link reproduce} made. */
export interface Reproduction {
  readonly title: string;
  readonly plan: ReproductionPlan;
  readonly rows: readonly TableRow[];
  /** The same with the paper's figures, as text. */
  readonly table: TextTable;
  /** Paths of the report's files; the first is the HTML. */
  readonly report: readonly string[];
}

/**
 * Repeats the comparison of the paper: trains an ANN, and from it a traditional and a HIRE spiking network, each from two seeds; evaluates
 * them clean and under the original's FGSM and PGD, white box and black box, where the source is the network of the same method and the
 * other seed; and leaves the table and a report of all of it.
 *
 * In `out` are `plan.json`, the trainings' folders, `evaluation/METHOD/` with a study of both seeds, `table.json` and `table.md`, and
 * `report/`.
 *
 * @throws HireSnnError INVALID_ARGUMENT for the options, a budget that is too small, or a folder that holds something else; RUN_INVALID if
 *   the trainings that were named are not what is needed; what {@link train}, {@link study} and {@link createReport} throw
 * @example
 * const { rows } = await reproduce({ preset: "vgg5-cifar10", budgetSeconds: 3600, out: "runs/vgg5", resume: true });
 */
export async function reproduce(options: ReproduceOptions): Promise<Reproduction> {
  const { out, data, signal, onPlan, onStage } = options;
  signal?.throwIfAborted();
  const preset = typeof options.preset === "string" ? findPreset(options.preset) : options.preset;
  checkOptions(options);
  const stored = await storedPlan(options, preset);
  const lock = await RunLock.acquire(out);
  const open: Dataset[] = [];
  try {
    const test = await preset.open("test", data, out);
    open.push(test);
    // What is only evaluated needs no training set.
    const needsTraining = (stored?.trained ?? options.trainings ?? null) === null;
    const training = needsTraining ? await preset.open("train", data, out) : undefined;
    if (training) open.push(training);
    const plan = stored ?? (await makePlan(options, preset, training, test));
    if (!stored) await writeText(out, planName, formatJson(plan));
    onPlan?.(plan);
    const { device: began = "cpu" } = plan;
    const { device = began } = options;
    if (device !== began)
      options.onWarning?.(`It goes on on ${device} but began, and was planned, on ${began}`);
    if (training) await trainAll(plan, training, { ...options, device });
    const rows: TableRow[] = [];
    for (const method of trainingMethods) {
      onStage?.(`evaluating ${method}`);
      rows.push(...(await evaluateBoth(plan, method, test, { ...options, device })));
    }
    const table = describeTable(rows, preset.published);
    await writeText(
      out,
      "table.json",
      formatJson({ schemaVersion: 1, preset: preset.name, rows, ...shown(preset) }),
    );
    await writeText(out, "table.md", `${tableAsMarkdown(table)}\n`);
    onStage?.("reporting");
    const report = await writeReport(
      await createReport(
        // The traditional networks are what others are compared with.
        [
          ...["traditional", "hire", "ann"].map((method) => evaluationFolder(out, method)),
          ...plan.trainings.map(({ name }) => join(plan.trained ?? out, name)),
        ],
        { title: preset.title },
      ),
      join(out, "report"),
    );
    return { title: preset.title, plan, rows, table, report };
  } finally {
    for (const dataset of open) await dataset.close();
    await lock.release();
  }
}

function shown({ published }: ReproductionPreset): { published?: unknown } {
  return published ? { published } : {};
}

function checkOptions({ budgetSeconds, trainings, mixedPrecision, samples }: ReproduceOptions): void {
  if (budgetSeconds !== undefined && !(budgetSeconds > 0 && Number.isFinite(budgetSeconds))) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected seconds above 0 for the budget but received ${budgetSeconds}`,
    );
  }
  if (budgetSeconds !== undefined && trainings !== undefined) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      "Expected either a budget, for trainings that are to be made, or trainings that are there but received both",
    );
  }
  if (mixedPrecision === true && trainings !== undefined) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      "Expected either mixedPrecision (--mixed-precision), for trainings that are to be made, or trainings that are there but received both",
    );
  }
  if (samples !== undefined && !(Number.isSafeInteger(samples) && samples >= 1)) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected an integer from 1 for samples but received ${samples}`,
    );
  }
}

/** The plan that a folder keeps, if it is to be gone on with. */
async function storedPlan(
  options: ReproduceOptions,
  preset: ReproductionPreset,
): Promise<ReproductionPlan | undefined> {
  const { out, resume = false } = options;
  const path = join(out, planName);
  if (!existsSync(path)) {
    if (options.trainings !== undefined) return undefined;
    const names = fullPlan(preset, 1).trainings.map(({ name }) => name);
    const found = names.find((name) => existsSync(join(out, name, "config.json")));
    if (found === undefined) return undefined;
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected a folder without trainings of another origin for out but found ${join(out, found)} and no ${planName}; name another ` +
        `folder, and evaluate those by trainings (--trainings ${out}) if all six are finished`,
    );
  }
  if (!resume) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected a folder without a reproduction for out but found ${path}; go on with it by resume (--resume), or name another folder`,
    );
  }
  let plan: ReproductionPlan;
  try {
    plan = JSON.parse(await readFile(path, "utf8")) as ReproductionPlan;
  } catch (error) {
    throw new HireSnnError(
      "RUN_INVALID",
      `Expected a plan in ${path} but found: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
  const asked: [string, unknown, unknown][] = [
    ["preset", preset.name, plan.preset],
    ["budget in seconds", options.budgetSeconds, plan.budgetSeconds],
    ["samples", options.samples, plan.samples],
    ["trainings", options.trainings, plan.trained],
    ["mixedPrecision", options.mixedPrecision, plan.trainings[0]?.settings.mixedPrecision ?? false],
  ];
  for (const [what, value, kept] of asked) {
    if (value === undefined || value === kept) continue;
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected ${what} ${JSON.stringify(kept)}, by which the reproduction in ${out} began, but received ${JSON.stringify(value)}; leave ` +
        "it out, or name another folder",
    );
  }
  return plan;
}

async function makePlan(
  { budgetSeconds, samples, trainings, device, mixedPrecision, signal, onStage }: ReproduceOptions,
  asked: ReproductionPreset,
  training: Dataset | undefined,
  test: Dataset,
): Promise<ReproductionPlan> {
  if (samples !== undefined && samples > test.length) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected at most ${test.length} for samples, the images of ${test.name}, but received ${samples}`,
    );
  }
  const precision = mixedPrecision === true && { mixedPrecision };
  const preset = {
    ...asked,
    ann: { ...asked.ann, ...precision },
    spiking: { ...asked.spiking, ...precision },
  };
  const where = device !== undefined && device !== "cpu" && { device };
  const plan = { ...fullPlan(preset, samples ?? test.length), ...where };
  if (trainings !== undefined) {
    return { ...plan, trained: trainings, trainings: readTrainedFolders(trainings, preset) };
  }
  // A training set is open wherever trainings are to be made.
  if (budgetSeconds === undefined || !training) return plan;
  onStage?.("measuring");
  const begun = performance.now();
  const measured = await measure(preset, training, test, { device, signal });
  const left = budgetSeconds - (performance.now() - begun) / 1000;
  const sizes = { trainingImages: training.length, testImages: test.length };
  // It is the whole time that is asked for again on resume.
  return { ...fitPlan(preset, measured, left, sizes, samples), ...where, budgetSeconds };
}

async function trainAll(plan: ReproductionPlan, dataset: Dataset, options: ReproduceOptions): Promise<void> {
  const { out, device, signal, onStage, onTraining, onEpoch, onWarning } = options;
  // An ANN of each seed comes before what begins with it.
  for (const { name, from, settings } of plan.trainings) {
    onStage?.(`training ${name}`);
    const folder = join(out, name);
    await train({
      ...settings,
      ...(from !== null && { from: join(out, from, "model.pt") }),
      ...{ dataset, device, out: folder, resume: existsSync(join(folder, "config.json")), signal },
      ...{ onProgress: onTraining, onEpoch, onWarning },
    });
  }
}

/** Both networks of a method, each the other's black-box source. */
async function evaluateBoth(
  plan: ReproductionPlan,
  method: TrainingMethod,
  dataset: Dataset,
  { out, device, signal, onEvaluation }: ReproduceOptions,
): Promise<TableRow[]> {
  const where = method === "ann" ? "cpu" : device;
  const pair = plan.trainings.filter((training) => training.method === method);
  const models = pair.map(({ name }) =>
    studyModel(join(plan.trained ?? out, name, "model.pt"), { name, device: where, signal }, name),
  );
  const { runs } = await study({
    ...{ models, sources: models, attacks: hirePreset(), dataset, samples: plan.samples, seed: 0 },
    ...{ out: evaluationFolder(out, method), signal, onProgress: onEvaluation },
    execution: { threads: getThreads() },
  });
  return runs.map(({ target, evaluation }) => {
    const { name: network, seed } = pair.find(({ name }) => name === target) as PlannedTraining;
    return rowOf({ network, method, seed }, evaluation);
  });
}

function evaluationFolder(out: string, method: string): string {
  return join(out, "evaluation", method);
}

async function writeText(folder: string, name: string, text: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    await writeDurably(folder, name, text);
  } catch (error) {
    throw fileError(error, `write ${join(folder, name)}`);
  }
}
