import type { CallOptions, Classifier } from "../classifiers/classifier";
import type { Loss } from "../classifiers/loss";
import { HireSnnError } from "../errors";
import { tensorScope } from "../tensor/scope";
import type { Tensor } from "../tensor/tensor";
import type { AttackOptions } from "./attack";

/** What an attack noticed of each sample on its way; the arrays are those of its result. */
export interface AttackRecord {
  readonly zeroGradientSteps: Int32Array;
  readonly invalidGradientSteps: Int32Array;
  readonly firstSuccess: Int32Array;
}

/** The record of an attack that has not begun. */
export function attackRecord(samples: number): AttackRecord {
  return {
    zeroGradientSteps: new Int32Array(samples),
    invalidGradientSteps: new Int32Array(samples),
    firstSuccess: new Int32Array(samples).fill(-1),
  };
}

/** How {@link observedGradient} is called. */
export interface ObservedCall extends CallOptions, Pick<AttackOptions, "invalidGradients"> {
  /** Gradient steps that were taken before this one. */
  readonly stepsBefore: number;
}

/** Gradient steps of a restart that have draws of their own. */
const stepsPerRestart = 2 ** 16;

/**
 * Which draw of a randomised classifier a gradient step sees: a fresh one at every step of every restart, and never that of pass 0, which
 * judges the outcome. An attack therefore neither knows the random numbers that it is judged by nor depends on more than the seed.
 *
 * @param step from 1
 */
export function gradientPass(step: number, restart = 0): number {
  return restart * stepsPerRestart + step;
}

/**
 * The input gradient of a loss, looked at before it is followed: its sign hides both a gradient that is zero, because no spike
 * carries it, and one that is not a number (torch's sign of NaN is 0), and either would pass for robustness. The logits of the same
 * pass say whether the classifier is fooled already.
 *
 * @param record is told of each sample what was seen
 * @returns the gradient, of the shape of the images; the caller disposes it
 * @throws HireSnnError INVALID_RESULT if the classifier gives another shape, or, unless such samples are marked, a gradient that is
 *   not finite
 */
export async function observedGradient(
  classifier: Classifier,
  images: Tensor,
  loss: Loss,
  record: AttackRecord,
  { stepsBefore, invalidGradients = "throw", ...call }: ObservedCall,
): Promise<Tensor> {
  const { gradient, losses, logits } = await classifier.inputGradient(images, loss, call);
  losses.dispose();
  using output = logits;
  try {
    checkShape(classifier, "an input gradient of the shape of the images,", images.shape, gradient);
    checkShape(classifier, "logits of the shape", [loss.labels.length, classifier.classes], output);
    const values = await output.data();
    using largest = tensorScope(() => gradient.abs().maxPerSample());
    const magnitudes = await largest.data();
    for (let sample = 0; sample < magnitudes.length; sample++) {
      const magnitude = magnitudes[sample] as number;
      if (!Number.isFinite(magnitude)) {
        if (invalidGradients === "throw") throw notFinite(classifier, magnitude, sample);
        increment(record.invalidGradientSteps, sample);
      } else if (magnitude === 0) {
        increment(record.zeroGradientSteps, sample);
      }
      const row = values.subarray(sample * classifier.classes, (sample + 1) * classifier.classes);
      if (record.firstSuccess[sample] === -1 && isMisclassified(row, loss.labels[sample] as number)) {
        record.firstSuccess[sample] = stepsBefore;
      }
    }
    return gradient;
  } catch (error) {
    gradient.dispose();
    throw error;
  }
}

/** Whether a class stands before the label: by a larger logit, or an equal one and a smaller index. Never where one is not finite. */
function isMisclassified(logits: ArrayLike<number>, label: number): boolean {
  const own = logits[label] as number;
  let beaten = false;
  for (let j = 0; j < logits.length; j++) {
    const logit = logits[j] as number;
    if (!Number.isFinite(logit)) return false;
    if (logit > own || (logit === own && j < label)) beaten = true;
  }
  return beaten;
}

function increment(counts: Int32Array, sample: number): void {
  counts[sample] = (counts[sample] ?? 0) + 1;
}

function checkShape({ name }: Classifier, what: string, expected: readonly number[], found: Tensor): void {
  if (found.shape.join() === expected.join()) return;
  throw new HireSnnError(
    "INVALID_RESULT",
    `Expected ${what} [${expected.join(", ")}] from ${name} but received [${found.shape.join(", ")}]`,
  );
}

function notFinite({ name }: Classifier, magnitude: number, sample: number): HireSnnError {
  return new HireSnnError(
    "INVALID_RESULT",
    `Expected a finite input gradient from ${name} but received one of magnitude ${magnitude} for sample ${sample} of the batch; ` +
      "look for NaN or overflow in the model's weights, thresholds and leaks",
  );
}
