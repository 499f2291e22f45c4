import { countsSpikes, type Classifier, type SpikeCounts } from "../classifiers/classifier";
import { crossEntropy, evaluateLoss } from "../classifiers/loss";
import { HireSnnError } from "../errors";
import type { Tensor } from "../tensor/tensor";
import type { LedgerRow } from "./ledger-row";
import type { PassCount } from "./pass-count";
import { predict, type Prediction } from "./prediction";

/** What a classifier says of one image. */
export interface Classified extends Omit<Prediction, "margin"> {
  /** Whether logits and loss are finite. If not: prediction is -1, rank the number of classes, margin and loss null. */
  readonly valid: boolean;
  readonly margin: number | null;
  /** Cross-entropy with the label, in nats, computed in double precision from the logits. */
  readonly loss: number | null;
  /** [layer][time step], if the classifier counts its spikes. */
  readonly spikes: number[][] | undefined;
  readonly reached: LedgerRow["reached"];
}

/**
 * @param images [N, C, H, W], pixels in [0, 1]
 * @param sampleIndices in the data set, for a classifier that draws random numbers
 * @param passes is told of the pass
 * @returns one entry per image
 * @throws HireSnnError INVALID_RESULT if logits are missing
 */
export async function classify(
  classifier: Classifier,
  images: Tensor,
  labels: Int32Array,
  signal: AbortSignal | undefined,
  passes?: PassCount,
  sampleIndices?: ArrayLike<number>,
): Promise<Classified[]> {
  passes?.countForward(images);
  const options = { signal, sampleIndices };
  const { logits, spikes } = countsSpikes(classifier)
    ? await classifier.logitsAndSpikes(images, options)
    : { logits: await classifier.logits(images, options), spikes: undefined };
  using output = logits;
  return await readClassified(classifier, output, spikes, labels);
}

/**
 * What a forward pass that has already been made says.
 *
 * @param output [N, classes], of the classifier; stays the caller's
 * @throws HireSnnError INVALID_RESULT as {@link classify}
 */
export async function readClassified(
  classifier: Classifier,
  output: Tensor,
  spikes: SpikeCounts | undefined,
  labels: Int32Array,
): Promise<Classified[]> {
  const { classes } = classifier;
  if (output.shape.join() !== `${labels.length},${classes}` || output.dtype === "int32") {
    throw new HireSnnError(
      "INVALID_RESULT",
      `Expected logits [${labels.length}, ${classes}] of float32 or float64 from ${classifier.name} but received ` +
        `[${output.shape.join(", ")}] of ${output.dtype}`,
    );
  }
  const values = (await output.data()) as Float32Array | Float64Array;
  const { losses } = evaluateLoss(crossEntropy(labels), values, classes);
  return Array.from(labels, (label, sample) => {
    const logits = values.subarray(sample * classes, (sample + 1) * classes);
    const loss = losses[sample] as number;
    const counted = {
      spikes: spikes && spikesOf(spikes, sample),
      reached: spikes && reachedOf(classifier, spikes, sample),
    };
    if (!logits.every(Number.isFinite) || !Number.isFinite(loss)) return { ...invalid(classes), ...counted };
    return { ...predict(logits, label), valid: true, loss, ...counted };
  });
}

/** What stands for the answer where there is none. */
export function invalid(classes: number): Omit<Classified, "spikes" | "reached"> {
  return { valid: false, prediction: -1, rank: classes, margin: null, tie: false, loss: null };
}

function spikesOf({ counts, layers, timesteps }: SpikeCounts, sample: number): number[][] {
  return layers.map((_, layer) => {
    const begin = (sample * layers.length + layer) * timesteps;
    return Array.from(counts.subarray(begin, begin + timesteps));
  });
}

function reachedOf(classifier: Classifier, { reached }: SpikeCounts, sample: number): number[][] | undefined {
  if (!reached || !countsSpikes(classifier) || !classifier.connections) return undefined;
  const fromSpikes = classifier.connections.slice(1);
  return fromSpikes.map(({ pools }, i) => {
    const at = 2 * (sample * fromSpikes.length + i);
    return Array.from(reached.subarray(at, at + (pools > 0 ? 2 : 1)));
  });
}
