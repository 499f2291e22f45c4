import type { Attack } from "../attacks/attack";
import { hirePreset } from "../attacks/hire-preset";
import { seedWords } from "../attacks/random-start";
import type { Classifier } from "../classifiers/classifier";
import type { Dataset } from "../datasets/dataset";
import type { EnergyComparison } from "../energy/compare-energies";
import { HireSnnError } from "../errors";
import type { Seed } from "../tensor/philox";
import { computeRuns } from "./compute-runs";
import { PassCount } from "./pass-count";
import type { Progress } from "./progress";
import type { Result } from "./results";
import { Run, type RunPlan } from "./run";
import { modelExecution, runIdentity, schemaVersion, type RunConfig } from "./run-config";
import { shardRange, type Shard } from "./shard";
import type { EvaluationWarning } from "./warnings";

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
  /** A folder for the run's configuration, ledger and results; without `resume` it must not hold a ledger yet. */
  readonly out?: string | undefined;
  /**
   * Go on with the run in the folder, from the first batch that is not in its ledger; a folder without a run gets one. What decides
   * the figures must be as it was; batch size, threads and paths may differ. @default false
   */
  readonly resume?: boolean | undefined;
  /** Compute one of several parts of the run, for {@link mergeRuns}. @default all samples */
  readonly shard?: Shard | undefined;
  /** Keep all adversarial images in the folder, as npz in float32. @default false */
  readonly saveAdversarial?: boolean | undefined;
  /** Samples of which the folder keeps pictures: clean, perturbation, adversarial. @default none */
  readonly savePng?: readonly number[] | undefined;
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
 *   images probed, unless that is allowed; RUN_MISMATCH, RUN_LOCKED or RUN_CORRUPT if the run in the folder cannot be
 *   gone on with; DISK_FULL or IO if the folder cannot be written
 * @example
 * const evaluation = await evaluate({ target, source, dataset, attacks: "hire", samples: 1000, seed: 0, out: "runs/vgg11" });
 * for (const { attack, access, top1 } of evaluation.results) console.log(attack, access, top1);
 */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  const { dataset, batchSize = 32, seed = 0, allowZeroGradient = false, signal, onProgress } = options;
  const run = new Run(planRun(options));
  const passes = new PassCount();
  const [evaluation] = await computeRuns([run], {
    ...{ dataset, batchSize, seed, allowZeroGradient, passes, signal, onProgress },
  });
  return evaluation as Evaluation;
}

/**
 * Options with their defaults, checked, and what follows from them.
 *
 * @param name what the run is called in its progress
 */
export function planRun(options: EvaluateOptions, name = options.target.name): RunPlan {
  const { target, source, dataset, batchSize = 32, seed = 0, out, shard, saveAdversarial = false } = options;
  const attacks = options.attacks === "hire" ? hirePreset() : options.attacks;
  const samples = options.samples ?? dataset.length;
  checkInteger(samples, 1, dataset.length, "samples");
  checkInteger(batchSize, 1, Number.MAX_SAFE_INTEGER, "batchSize");
  seedWords(seed);
  checkFit(target, dataset, "target");
  if (source) checkFit(source, dataset, "source");
  const range = shardRange(samples, shard);
  const png = checkPng(options, samples);
  if (out === undefined && (saveAdversarial || png.length > 0 || options.resume)) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      "Expected out (--out), the folder of the run, with resume, saveAdversarial and savePng but received none",
    );
  }
  const config: RunConfig = {
    schemaVersion,
    identity: runIdentity({ target, source, dataset, attacks, samples, seed }),
    execution: {
      target: modelExecution(target),
      source: source ? modelExecution(source) : null,
      data: dataset.files,
      classes: dataset.classes,
      batchSize,
      out: out ?? null,
      range,
      ...(shard && { shard }),
      ...((saveAdversarial || png.length > 0) && { saves: { adversarial: saveAdversarial, png } }),
      startedAt: new Date().toISOString(),
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
      ...options.execution,
    },
  };
  const preset = options.attacks === "hire" ? "hire" : null;
  const seedGiven = options.seed !== undefined;
  return {
    name,
    target,
    source,
    attacks,
    preset,
    seedGiven,
    dataset,
    config,
    out,
    resume: options.resume ?? false,
  };
}

function checkPng({ savePng = [] }: EvaluateOptions, samples: number): readonly number[] {
  for (const sample of savePng) checkInteger(sample, 0, samples - 1, "savePng");
  return savePng;
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
