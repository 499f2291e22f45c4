import type { Attack, AttackResult } from "../attacks/attack";
import { checkPixels } from "../attacks/checks";
import type { Classifier } from "../classifiers/classifier";
import type { Batch, Dataset } from "../datasets/dataset";
import { HireSnnError } from "../errors";
import type { Seed } from "../tensor/philox";
import { tensorScope } from "../tensor/scope";
import { Tensor } from "../tensor/tensor";
import { classify, invalid, readClassified, type Classified } from "./classify";
import type { Access, LedgerRow } from "./ledger-row";
import type { PassCount } from "./pass-count";
import type { ProgressCount } from "./progress";
import type { ResultKey } from "./results";
import { SharedFirstPass } from "./shared-first-pass";

/** What one run computes of a batch. */
export interface Job {
  readonly target: Classifier;
  /** Whose images the target classifies in black box. */
  readonly source: Classifier | undefined;
  /** Each with the id that its rows have. */
  readonly attacks: readonly { readonly id: string; readonly attack: Attack }[];
  /** The order of the rows of a sample. */
  readonly keys: readonly ResultKey[];
  /** Is given every batch of images of an attack. */
  readonly keep?: ((images: AttackedImages) => Promise<void>) | undefined;
}

/** The images that an attack made of a batch. */
export interface AttackedImages {
  readonly id: string;
  readonly access: Access;
  readonly attack: Attack;
  readonly batch: Batch;
  readonly images: Float32Array;
}

/** What all runs of a batch share. */
export interface BatchContext {
  readonly dataset: Dataset;
  readonly seed: Seed;
  readonly signal: AbortSignal | undefined;
  readonly passes: PassCount;
  readonly progress: ProgressCount;
}

/** One attack on one model, and the runs that have its images classified. */
export interface PlannedAttack {
  readonly attack: Attack;
  readonly uses: readonly { readonly job: Job; readonly id: string; readonly access: Access }[];
}

/**
 * Which attacks are made on which model, each of them once: white box for the model's own run, black box for the runs of others. Two
 * attacks with the same name, threat model and parameters are one.
 */
export function planAttacks(jobs: readonly Job[]): Map<Classifier, PlannedAttack[]> {
  const plan = new Map<Classifier, PlannedAttack[]>();
  const add = (model: Classifier, job: Job, access: Access): void => {
    const planned = plan.get(model) ?? [];
    plan.set(model, planned);
    for (const { id, attack } of job.attacks) {
      const same = planned.findIndex((other) => attackKey(other.attack) === attackKey(attack));
      const use = { job, id, access };
      const before = planned[same];
      if (before) planned[same] = { ...before, uses: [...before.uses, use] };
      else planned.push({ attack, uses: [use] });
    }
  };
  for (const job of jobs) add(job.target, job, "white");
  for (const job of jobs) if (job.source) add(job.source, job, "black");
  return plan;
}

function attackKey({ name, threatModel, parameters }: Attack): string {
  return JSON.stringify([name, threatModel, Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1))]);
}

/**
 * Computes a batch for several runs together. A clean pass, the first gradient of attacks that start at the images, the images of an
 * attack on a model and what a target says of them are each computed once, whoever asks. At most one batch of adversarial images is in
 * memory.
 *
 * @returns the rows of each run: sample by sample, and within a sample in the order of its results, so that a ledger does not depend
 *   on the batch size or on the runs beside it
 */
export async function evaluateBatch(
  jobs: readonly Job[],
  batch: Batch,
  context: BatchContext,
): Promise<LedgerRow[][]> {
  const { dataset, passes, progress, signal } = context;
  const { labels } = batch;
  using images = Tensor.from(batch.images, [labels.length, ...dataset.imageShape]);
  await checkPixels(images, "INVALID_RESULT", `${dataset.name}, samples from ${batch.start}`);

  const columns = new Map(jobs.map((job) => [job, new Map<string, LedgerRow[]>()]));
  const clean = new Map<Classifier, Classified[]>();
  for (const [model, planned] of planAttacks(jobs)) {
    using shared = new SharedFirstPass(model, images, passes);
    for (const each of planned) await attackBatch(each, shared, images, batch, context, columns);
    // An attack may have made the clean pass on its way.
    if (shared.clean) {
      clean.set(model, await readClassified(model, shared.clean.logits, shared.clean.spikes, labels));
    }
  }
  for (const job of jobs) {
    progress.begin("clean", "none");
    let classified = clean.get(job.target);
    if (!classified) {
      classified = await classify(job.target, images, labels, signal, passes, sampleIndicesOf(batch));
      clean.set(job.target, classified);
    }
    columns.get(job)?.set("none clean", rowsOf(batch, "clean", "none", classified, undefined));
  }
  progress.finishClean(jobs, labels.length);
  return jobs.map((job) =>
    Array.from(labels, (_, sample) =>
      job.keys.map(
        ({ attack, access }) => columns.get(job)?.get(`${access} ${attack}`)?.[sample] as LedgerRow,
      ),
    ).flat(),
  );
}

/** Attacks a batch on the model that gives the gradients, and has the targets of all runs classify the outcome. */
async function attackBatch(
  { attack, uses }: PlannedAttack,
  gradients: SharedFirstPass,
  images: Tensor,
  batch: Batch,
  { seed, signal, passes, progress }: BatchContext,
  columns: ReadonlyMap<Job, Map<string, LedgerRow[]>>,
): Promise<void> {
  const { labels } = batch;
  const [first] = uses;
  if (!first) return;
  progress.begin(first.id, first.access);
  const sampleIndices = sampleIndicesOf(batch);
  const onStep = (): void => {
    progress.finishGradient(labels.length);
  };
  const call = { signal, seed, sampleIndices, onStep, invalidGradients: "mark" } as const;
  const result = await attack.run(gradients, images, labels, call);
  using adversarial = result.images;
  const norms = await checkThreatModel(attack, first.id, images, adversarial);
  checkRecords(result, labels.length, first.id);
  const answers = new Map<Classifier, Classified[]>();
  for (const { job, id, access } of uses) {
    let said = answers.get(job.target);
    if (!said) {
      said = await classify(job.target, adversarial, labels, signal, passes, sampleIndices);
      answers.set(job.target, said);
      progress.finishWork(labels.length);
    }
    const rows = attackedRows(said, attack, result, norms, {
      id,
      access,
      classes: job.target.classes,
      batch,
    });
    columns.get(job)?.set(`${access} ${id}`, rows);
    if (job.keep) {
      const kept = (await adversarial.data()) as Float32Array;
      await job.keep({ id, access, attack, batch, images: kept });
    }
  }
}

function sampleIndicesOf({ labels, start }: Pick<Batch, "labels" | "start">): number[] {
  return Array.from(labels, (_, i) => start + i);
}

function attackedRows(
  said: readonly Classified[],
  attack: Attack,
  { invalidGradientSteps, firstSuccess, zeroGradientSteps }: AttackResult,
  norms: Norms,
  { id, access, classes, batch }: { id: string; access: Access; classes: number; batch: Batch },
): LedgerRow[] {
  const classified = said.map((each, i) =>
    (invalidGradientSteps?.[i] ?? 0) > 0 ? { ...each, ...invalid(classes) } : each,
  );
  const fooled = classified.map(({ valid, rank }, i) => {
    const step = firstSuccess?.[i] ?? -1;
    if (!valid) return null;
    if (step >= 0) return step;
    return access === "white" && firstSuccess && rank > 0 ? attack.steps : null;
  });
  return rowsOf(batch, id, access, classified, { ...norms, zeroGradientSteps, fooled });
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
): Promise<Norms> {
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

/** How far an attack went, for each sample. */
interface Norms {
  /** Largest change of a pixel. */
  readonly linf: ArrayLike<number>;
  /** Euclidean norm of the change. */
  readonly l2: ArrayLike<number>;
}

/** What an attack did to each sample of a batch. */
interface Attacked extends Norms {
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
