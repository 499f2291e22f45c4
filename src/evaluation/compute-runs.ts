import type { Classifier } from "../classifiers/classifier";
import type { Dataset } from "../datasets/dataset";
import type { Seed } from "../tensor/philox";
import { Tensor } from "../tensor/tensor";
import { evaluateBatch } from "./batch-evaluation";
import type { Evaluation } from "./evaluate";
import type { PassCount } from "./pass-count";
import { probeGradient } from "./probe-gradient";
import { ProgressCount, type Progress, type Stretch } from "./progress";
import { ResourceStack } from "./resource-stack";
import type { Run } from "./run";

/** How runs are computed together. */
export interface ComputeOptions {
  readonly dataset: Dataset;
  readonly seed: Seed;
  readonly batchSize: number;
  readonly allowZeroGradient: boolean;
  readonly passes: PassCount;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: Progress) => void) | undefined;
}

/** Images at which a gradient is looked at before the attacks. */
const mostProbed = 8;

/**
 * Computes runs on one data set together, batch by batch, each from where it is: what several need is computed once.
 *
 * @returns their records in the order of the runs
 */
export async function computeRuns(runs: readonly Run[], options: ComputeOptions): Promise<Evaluation[]> {
  const opened = new ResourceStack();
  for (const run of runs) opened.defer(() => run.close());
  return await opened.during(() => computeOpened(runs, options));
}

async function computeOpened(runs: readonly Run[], options: ComputeOptions): Promise<Evaluation[]> {
  const { dataset, batchSize, passes, signal, onProgress } = options;
  for (const run of runs) await run.openExisting();
  // The probe comes before new folders, so that a model that is refused leaves none behind.
  const withoutGradient = await probeModels(runs, options);
  for (const run of runs) await run.open();
  const ahead = stretches(runs, ({ next }) => next);
  const before = stretches(
    runs,
    ({ range }) => range.begin,
    ({ next }) => next,
  );
  const progress = new ProgressCount(ahead, before, () => runs.map((run) => run.progress), onProgress);
  progress.tell();
  for (;;) {
    signal?.throwIfAborted();
    const unfinished = runs.filter(({ isComplete }) => !isComplete);
    if (unfinished.length === 0) break;
    const start = Math.min(...unfinished.map(({ next }) => next));
    const now = unfinished.filter(({ next }) => next === start);
    const ends = [...now.map(({ range }) => range.end), ...unfinished.map(({ next }) => next)];
    const end = Math.min(start + batchSize, ...ends.filter((sample) => sample > start));
    const batch = await dataset.read(start, end - start);
    const rows = await evaluateBatch(now, batch, { dataset, seed: options.seed, signal, passes, progress });
    for (const [i, run] of now.entries()) await run.append(rows[i] ?? [], end - start);
    progress.tell();
  }
  const evaluations: Evaluation[] = [];
  for (const run of runs) evaluations.push(await run.finish(withoutGradient));
  return evaluations;
}

/** Of the models whose gradients are followed, those that have none at the first images. */
async function probeModels(runs: readonly Run[], options: ComputeOptions): Promise<Set<Classifier>> {
  const { dataset, batchSize, passes, signal, allowZeroGradient: allowZero } = options;
  const attacking = runs.filter(({ finished, attacks }) => !finished && attacks.length > 0);
  const models = new Set(attacking.flatMap(({ target, source }) => (source ? [target, source] : [target])));
  const without = new Set<Classifier>();
  if (models.size === 0) return without;
  const samples = Math.min(...attacking.map(({ plan }) => plan.config.identity.dataset.samples));
  const { images: pixels, labels } = await dataset.read(0, Math.min(mostProbed, batchSize, samples));
  using images = Tensor.from(pixels, [labels.length, ...dataset.imageShape]);
  for (const model of models) {
    const { zero } = await probeGradient(model, images, { allowZero, signal, passes });
    if (zero) without.add(model);
  }
  return without;
}

/** The samples from `begin` to `end` of all runs, cut where another run begins or ends. */
function stretches(
  runs: readonly Run[],
  begin: (run: Run) => number,
  end: (run: Run) => number = ({ range }) => range.end,
): Stretch[] {
  const cuts = [...new Set(runs.flatMap((run) => [begin(run), end(run)]))].sort((a, b) => a - b);
  return cuts.slice(1).map((cut, i) => {
    const from = cuts[i] as number;
    return { samples: cut - from, jobs: runs.filter((run) => begin(run) <= from && end(run) >= cut) };
  });
}
