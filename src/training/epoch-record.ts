/** A line of `log.jsonl`. */
export interface EpochRecord {
  /** From 1. */
  readonly epoch: number;
  readonly learningRate: number;
  /** Mean cross-entropy of the epoch's passes in training, and the share of their samples that were classified correctly. */
  readonly loss: number;
  readonly trainingAccuracy: number;
  /** On the images held out; null if there are none. */
  readonly heldOutAccuracy: number | null;
  readonly gradientNorm: number;
  /** Per layer: spikes per neuron and time step; of an ANN, and of a pool, the share of outputs that are not zero. */
  readonly rates: Readonly<Record<string, number>>;
  readonly thresholds: Readonly<Record<string, number>>;
  readonly leaks: Readonly<Record<string, number>>;
  readonly imagesPerSecond: number;
  /** Since this process began with the training. */
  readonly seconds: number;
  readonly etaSeconds: number;
}
