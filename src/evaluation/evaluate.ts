import type { Attack, AttackResult } from "../attacks/attack";
import { checkPixels } from "../attacks/checks";
import { hirePreset, hirePresetNote } from "../attacks/hire-preset";
import { seedWords } from "../attacks/random-start";
import { countsSpikes, type Classifier } from "../classifiers/classifier";
import type { Batch, Dataset } from "../datasets/dataset";
import type { EnergyComparison } from "../energy/compare-energies";
import { HireSnnError } from "../errors";
import type { Seed } from "../tensor/philox";
import { tensorScope } from "../tensor/scope";
import { Tensor } from "../tensor/tensor";
import { classify, invalid, readClassified, type Classified } from "./classify";
import type { Access, LedgerRow } from "./ledger-row";
import { probeGradient } from "./probe-gradient";
import { ProgressCount, type Progress } from "./progress";
import { ResultSummary, summarise, type Result } from "./results";
import {
  modelExecution,
  resultKeys,
  runIdentity,
  schemaVersion,
  type AttackIdentity,
  type RunConfig,
} from "./run-config";
import { energiesOf } from "./results-energy";
import { RunFolder } from "./run-folder";
import { SharedFirstPass } from "./shared-first-pass";
import { noGradientWarning, originWarnings, warningsOf, type EvaluationWarning } from "./warnings";

/** What is evaluated, on what, and how it is recorded. */
export interface EvaluateOptions {
  /** The model whose accuracy is measured. */
  readonly target: Classifier;
  /** A second model: with it, the target also classifies the images that attacks on this one make (black box). */
  readonly source?: Classifier | undefined;
  readonly dataset: Dataset;
  /** Attacks with their parameters, or the preset of the original test scripts. */
  readonly attacks: readonly Attack[] | "hire";
  /** The first this many, in file order. @default all */
  readonly samples?: number | undefined;
  /** Samples computed together; it decides the memory, not the figures. @default 32 */
  readonly batchSize?: number | undefined;
  /** Of all random numbers, 64 bits. @default 0, with a warning in the evaluation */
  readonly seed?: Seed | undefined;
  /** A folder for the run's configuration, ledger and results; it must not hold a ledger yet. */
  readonly out?: string | undefined;
  /** Whether to go on where a model gives no gradient that an attack could follow; the record then says so. @default false */
  readonly allowZeroGradient?: boolean | undefined;
  /** Anything else that the record should say of how the run was executed: threads, the machine. JSON. */
  readonly execution?: Readonly<Record<string, unknown>> | undefined;
  /** Stops the run within one layer; the promise is then rejected with the signal's reason. The ledger keeps what is finished. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each step of an attack and each batch. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** The record of an evaluation: what stands in `results.json`, and what `--json` prints. */
export interface Evaluation extends RunConfig {
  readonly preset: "hire" | null;
  /** What has to be said of the preset's figures; null without it. */
  readonly note: string | null;
  readonly results: readonly Result[];
  /** Of the target, in fp32 and with padding, for the results in their order; absent if it does not count what they follow from. */
  readonly energy?: EnergyComparison;
  readonly warnings: readonly EvaluationWarning[];
}

/**
 * Measures the accuracy of a classifier on a data set, clean and under each attack.
 *
 * White box: the attack follows the target's own gradients. Black box (with a source): the images are those that the same attack
 * makes on the source, bit for bit, and the target classifies them. Every image is attacked, also one that is misclassified
 * already, and the figures are over all images.
 *
 * @throws HireSnnError INVALID_ARGUMENT if the options or models do not fit each other or the data set; INVALID_RESULT if a
 *   classifier gives NaN or an attack leaves its threat model; NO_GRADIENT if the gradient that attacks have to follow is zero on all
 *   images probed, unless that is allowed; IO if the run folder cannot be written
 * @example
 * const evaluation = await evaluate({ target, source, dataset, attacks: "hire", samples: 1000, seed: 0, out: "runs/vgg11" });
 * for (const { attack, access, top1 } of evaluation.results) console.log(attack, access, top1);
 */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  const run = prepare(options);
  const { config, keys, layers, connections } = run;
  // The probe comes before the run's folder, so that a model that is refused leaves none behind.
  if (options.out !== undefined) await RunFolder.requireUnused(options.out);
  const withoutGradient = await classifiersWithoutGradient(run, options.allowZeroGradient ?? false);
  const folder = options.out === undefined ? undefined : await RunFolder.create(options.out, config);
  const summary = new ResultSummary(keys, layers, connections);
  try {
    await evaluateBatches(run, async (rows) => {
      if (folder) await folder.append(rows);
      else for (const row of rows) summary.add(row);
    });
    const results = folder ? await summarise(folder.rows(), keys, layers, connections) : summary.results();
    const preset = options.attacks === "hire";
    const energy = energiesOf(config.identity.target, results);
    const evaluation: Evaluation = {
      ...config,
      preset: preset ? "hire" : null,
      note: preset ? hirePresetNote : null,
      results,
      ...(energy && { energy }),
      warnings: [
        ...warningsOf(results, { preset, seedGiven: options.seed !== undefined }),
        ...withoutGradient.map(noGradientWarning),
        ...[run.target, run.source].flatMap((classifier) => (classifier ? originWarnings(classifier) : [])),
      ],
    };
    await folder?.writeResults(evaluation);
    return evaluation;
  } finally {
    await folder?.close();
  }
}

/** Images at which a gradient is looked at before the attacks. */
const mostProbed = 8;

/** Options with their defaults, checked, and what follows from them. */
function prepare(options: EvaluateOptions) {
  const { target, source, dataset, batchSize = 32, seed = 0, signal, onProgress } = options;
  const attacks = options.attacks === "hire" ? hirePreset() : options.attacks;
  const samples = options.samples ?? dataset.length;
  checkInteger(samples, 1, dataset.length, "samples");
  checkInteger(batchSize, 1, Number.MAX_SAFE_INTEGER, "batchSize");
  seedWords(seed);
  checkFit(target, dataset, "target");
  if (source) checkFit(source, dataset, "source");
  const identity = runIdentity({ target, source, dataset, attacks, samples, seed });
  const config: RunConfig = {
    schemaVersion,
    identity,
    execution: {
      target: modelExecution(target),
      source: source ? modelExecution(source) : null,
      data: dataset.files,
      classes: dataset.classes,
      batchSize,
      out: options.out ?? null,
      startedAt: new Date().toISOString(),
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
      ...options.execution,
    },
  };
  const layers = countsSpikes(target) ? target.countedLayers : [];
  const connections = countsSpikes(target) ? (target.connections ?? []) : [];
  return {
    ...{ target, source, dataset, attacks, samples, batchSize, seed, signal, onProgress },
    ...{ config, layers, connections, keys: resultKeys(identity) },
  };
}

type Run = ReturnType<typeof prepare>;

/** Of a run's models whose gradients are followed, those that have none at the first images. */
async function classifiersWithoutGradient(run: Run, allowZero: boolean): Promise<Classifier[]> {
  const { target, source, dataset, samples, batchSize, signal } = run;
  if (run.attacks.length === 0) return [];
  const { images: pixels, labels } = await dataset.read(0, Math.min(mostProbed, batchSize, samples));
  using images = Tensor.from(pixels, [labels.length, ...dataset.imageShape]);
  const without: Classifier[] = [];
  for (const classifier of source ? [target, source] : [target]) {
    const { zero } = await probeGradient(classifier, images, { allowZero, signal });
    if (zero) without.push(classifier);
  }
  return without;
}

async function evaluateBatches(run: Run, finished: (rows: LedgerRow[]) => Promise<void>): Promise<void> {
  const { dataset, samples, batchSize, signal } = run;
  const progress = new ProgressCount(run.attacks, run.source ? 2 : 1, samples, run.onProgress);
  for (let start = 0; start < samples; start += batchSize) {
    signal?.throwIfAborted();
    const batch = await dataset.read(start, Math.min(batchSize, samples - start));
    await finished(await evaluateBatch(run, batch, progress));
    progress.finishSamples(batch.labels.length);
  }
}

/**
 * @returns the rows of a batch: sample by sample, and within a sample in the order of the results, so that the ledger does not
 *   depend on the batch size
 */
async function evaluateBatch(run: Run, batch: Batch, progress: ProgressCount): Promise<LedgerRow[]> {
  const { target, source, dataset, signal } = run;
  const { labels } = batch;
  using images = Tensor.from(batch.images, [labels.length, ...dataset.imageShape]);
  await checkPixels(images, "INVALID_RESULT", `${dataset.name}, samples from ${batch.start}`);

  // The clean pass comes after the attacks, one of which may have made it on its way.
  using shared = new SharedFirstPass(target, images);
  const columns: LedgerRow[][] = [];
  for (const [access, gradients] of [["white", shared] as const, ["black", source] as const]) {
    if (!gradients) continue;
    for (const [i, attack] of run.attacks.entries()) {
      const { id } = run.config.identity.attacks[i] as AttackIdentity;
      progress.begin(id, access);
      columns.push(await attackBatch(run, attack, { id, access, gradients }, images, batch, progress));
    }
  }
  progress.begin("clean", "none");
  const clean = shared.clean
    ? await readClassified(target, shared.clean.logits, shared.clean.spikes, labels)
    : await classify(target, images, labels, signal);
  progress.finishWork(labels.length);
  columns.unshift(rowsOf(batch, "clean", "none", clean, undefined));
  return Array.from(labels, (_, sample) => columns.map((column) => column[sample] as LedgerRow)).flat();
}

/** Attacks a batch on the model that gives the gradients, and has the target classify the outcome. */
async function attackBatch(
  { target, seed, signal }: Run,
  attack: Attack,
  { id, access, gradients }: { id: string; access: Access; gradients: Classifier },
  images: Tensor,
  { labels, start }: Batch,
  progress: ProgressCount,
): Promise<LedgerRow[]> {
  const sampleIndices = Array.from(labels, (_, i) => start + i);
  const onStep = (): void => {
    progress.finishGradient(labels.length);
  };
  const call = { signal, seed, sampleIndices, onStep, invalidGradients: "mark" } as const;
  const result = await attack.run(gradients, images, labels, call);
  using adversarial = result.images;
  const norms = await checkThreatModel(attack, id, images, adversarial);
  checkRecords(result, labels.length, id);
  const { invalidGradientSteps, firstSuccess, zeroGradientSteps } = result;
  const said = await classify(target, adversarial, labels, signal);
  progress.finishWork(labels.length);
  const classified = said.map((each, i) =>
    (invalidGradientSteps?.[i] ?? 0) > 0 ? { ...each, ...invalid(target.classes) } : each,
  );
  const fooled = classified.map(({ valid, rank }, i) => {
    const step = firstSuccess?.[i] ?? -1;
    if (!valid) return null;
    if (step >= 0) return step;
    return access === "white" && firstSuccess && rank > 0 ? attack.steps : null;
  });
  return rowsOf({ labels, start }, id, access, classified, { ...norms, zeroGradientSteps, fooled });
}

function checkRecords(result: AttackResult, samples: number, id: string): void {
  for (const name of ["zeroGradientSteps", "invalidGradientSteps", "firstSuccess"] as const) {
    const length = result[name]?.length ?? samples;
    if (length === samples) continue;
    throw new HireSnnError(
      "INVALID_RESULT",
      `Expected ${name} of ${samples} samples from the attack ${id} but received ${length}`,
    );
  }
}

/**
 * Checks that an attack kept to the pixels and the radius that it claims.
 *
 * @returns of each sample the largest change of a pixel, and the Euclidean norm of the change
 */
async function checkThreatModel(
  { threatModel }: Attack,
  id: string,
  images: Tensor,
  adversarial: Tensor,
): Promise<{ linf: ArrayLike<number>; l2: ArrayLike<number> }> {
  if (adversarial.shape.join() !== images.shape.join() || adversarial.dtype !== images.dtype) {
    throw new HireSnnError(
      "INVALID_RESULT",
      `Expected images of ${images.dtype} [${images.shape.join(", ")}] from the attack ${id} but received ` +
        `${adversarial.dtype} [${adversarial.shape.join(", ")}]`,
    );
  }
  await checkPixels(adversarial, "INVALID_RESULT", `the images of the attack ${id}`);
  using change = adversarial.subtract(images);
  using furthest = tensorScope(() => change.abs().maxPerSample());
  const linf = await furthest.data();
  // float32 rounds x + epsilon, so that the difference may exceed epsilon in its last bits.
  const largest = threatModel.epsilon * (1 + 1e-6) + 1e-7;
  const beyond = linf.findIndex((distance) => !(distance <= largest));
  if (beyond >= 0) {
    throw new HireSnnError(
      "INVALID_RESULT",
      `Expected changes of at most ${threatModel.epsilon} a pixel from the attack ${id} but found ${linf[beyond]}, in sample ` +
        `${beyond} of the batch`,
    );
  }
  return { linf, l2: euclideanNorms(await change.data(), linf.length) };
}

/** In double precision, summed pixel by pixel. */
function euclideanNorms(change: ArrayLike<number>, samples: number): Float64Array {
  const size = change.length / samples;
  return Float64Array.from({ length: samples }, (_, sample) => {
    let sum = 0;
    for (let i = sample * size; i < (sample + 1) * size; i++) sum += (change[i] as number) ** 2;
    return Math.sqrt(sum);
  });
}

/** What an attack did to each sample of a batch. */
interface Attacked {
  readonly linf: ArrayLike<number>;
  readonly l2: ArrayLike<number>;
  readonly zeroGradientSteps: ArrayLike<number>;
  readonly fooled: readonly (number | null)[];
}

function rowsOf(
  { labels, start }: Pick<Batch, "labels" | "start">,
  attack: string,
  access: Access,
  classified: readonly Classified[],
  attacked: Attacked | undefined,
): LedgerRow[] {
  return classified.map(({ valid, prediction, rank, margin, tie, loss, spikes, reached }, i) => ({
    sample: start + i,
    label: labels[i] as number,
    attack,
    access,
    valid,
    prediction,
    rank,
    margin,
    loss,
    linf: attacked?.linf[i] ?? 0,
    l2: attacked?.l2[i] ?? 0,
    tie,
    zeroGradient: attacked?.zeroGradientSteps[i] ?? 0,
    firstSuccess: attacked?.fooled[i] ?? null,
    ...(spikes && { spikes }),
    ...(reached && { reached }),
  }));
}

function checkFit(classifier: Classifier, dataset: Dataset, role: string): void {
  const { name, classes, inputShape } = classifier;
  if (inputShape.join() !== dataset.imageShape.join()) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected images [${inputShape.join(", ")}] for the ${role} ${name} but received [${dataset.imageShape.join(", ")}] ` +
        `from ${dataset.name}`,
    );
  }
  if (classes !== dataset.classes.length) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected a data set of ${classes} classes for the ${role} ${name} but received ${dataset.name} with ` +
        `${dataset.classes.length}`,
    );
  }
}

function checkInteger(value: number, least: number, largest: number, name: string): void {
  if (Number.isSafeInteger(value) && value >= least && value <= largest) return;
  throw new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected an integer from ${least} to ${largest} for ${name} but received ${value}`,
  );
}
