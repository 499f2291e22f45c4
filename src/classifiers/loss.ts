import { HireSnnError } from "../errors";

/**
 * A loss that an attack ascends. It is data, so that a native classifier computes it beside its logits; a classifier in
 * plain JavaScript takes its values and gradient from {@link evaluateLoss}.
 */
export interface Loss {
  readonly name: "cross-entropy";
  /** One class index per sample. */
  readonly labels: Int32Array;
}

/** `-log softmax(logits)[label]` for each sample. */
export function crossEntropy(labels: ArrayLike<number>): Loss {
  return { name: "cross-entropy", labels: Int32Array.from(labels) };
}

/**
 * The loss of each sample and its gradient by the logits, in double precision.
 *
 * @param logits [N, classes], row-major
 * @returns `losses` [N] and `gradient` [N, classes] of their sum
 * @throws HireSnnError INVALID_ARGUMENT if sizes or labels do not fit
 */
export function evaluateLoss(
  loss: Loss,
  logits: Float32Array | Float64Array,
  classes: number,
): { losses: Float64Array; gradient: Float64Array } {
  const samples = loss.labels.length;
  if (logits.length !== samples * classes) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected ${samples} x ${classes} logits, one row per label, but received ${logits.length} numbers`,
    );
  }
  const losses = new Float64Array(samples);
  const gradient = new Float64Array(samples * classes);
  for (let sample = 0; sample < samples; sample++) {
    const label = loss.labels[sample] as number;
    if (label < 0 || label >= classes) {
      throw new HireSnnError(
        "INVALID_ARGUMENT",
        `Expected labels from 0 to ${classes - 1} but received ${label} for sample ${sample}`,
      );
    }
    const row = logits.subarray(sample * classes, (sample + 1) * classes);
    const largest = Math.max(...row);
    let total = 0;
    for (const logit of row) total += Math.exp(logit - largest);
    losses[sample] = Math.log(total) + largest - (row[label] as number);
    for (let j = 0; j < classes; j++) {
      gradient[sample * classes + j] = Math.exp((row[j] as number) - largest) / total - (j === label ? 1 : 0);
    }
  }
  return { losses, gradient };
}
