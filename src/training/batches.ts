import type { Dataset } from "../datasets/dataset";
import type { Seed } from "../tensor/philox";
import { augment, type Augmentation } from "./sampling";

/** Images of a data set by their indices. */
export interface SampleBatch {
  /** [N, C, H, W], pixels in [0, 1] */
  readonly images: Float32Array;
  readonly labels: Int32Array;
  /** Indices in the data set. */
  readonly samples: Uint32Array;
}

/** Reads images by their indices, runs of neighbours in one go. */
export async function readSamples(dataset: Dataset, samples: Uint32Array): Promise<SampleBatch> {
  const size = dataset.imageShape.reduce((product, length) => product * length, 1);
  const images = new Float32Array(samples.length * size);
  const labels = new Int32Array(samples.length);
  for (let first = 0; first < samples.length;) {
    let last = first + 1;
    while (last < samples.length && samples[last] === (samples[last - 1] as number) + 1) last++;
    const batch = await dataset.read(samples[first] as number, last - first);
    images.set(batch.images, first * size);
    labels.set(batch.labels, first);
    first = last;
  }
  return { images, labels, samples };
}

/** What the batches of an epoch are made of. */
export interface EpochPlan {
  readonly dataset: Dataset;
  /** The images in their order. */
  readonly order: Uint32Array;
  readonly batchSize: number;
  readonly augmentation: Augmentation;
  readonly seed: Seed;
  readonly epoch: number;
}

/**
 * The batches of an epoch. While one is computed with, the next one is being read and varied.
 *
 * @param from number of the first batch
 */
export async function* epochBatches(plan: EpochPlan, from: number): AsyncGenerator<SampleBatch> {
  const count = Math.ceil(plan.order.length / plan.batchSize);
  let next = from < count ? prepare(plan, from) : undefined;
  for (let number = from; next !== undefined; number++) {
    const ready: Promise<SampleBatch> = next;
    next = number + 1 < count ? prepare(plan, number + 1) : undefined;
    // A failure is thrown when it is that batch's turn.
    next?.catch(() => undefined);
    yield await ready;
  }
}

async function prepare(plan: EpochPlan, number: number): Promise<SampleBatch> {
  const { dataset, order, batchSize, augmentation, seed, epoch } = plan;
  const batch = await readSamples(dataset, order.slice(number * batchSize, (number + 1) * batchSize));
  augment(batch.images, dataset.imageShape, batch.samples, augmentation, seed, epoch);
  return batch;
}
