import { sha256OfFile } from "../checkpoint/file-hash";
import { openCheckpoint } from "../checkpoint/open-checkpoint";
import type { Checkpoint } from "../checkpoint/checkpoint";
import { rateCodedStatistics } from "../classifiers/load-classifier";
import type { Dataset } from "../datasets/dataset";
import { HireSnnError } from "../errors";
import { getThreads, runtimeIdentity } from "../native/addon";
import type { Network } from "../networks/network";
import { parametersOf } from "../networks/network-parameters";
import { resolveSurrogate } from "../networks/surrogate";
import type { Seed } from "../tensor/philox";
import type { TensorData } from "../tensor/tensor";
import { packageVersion } from "../version";
import { epochBatches, readSamples } from "./batches";
import type { EpochRecord } from "./epoch-record";
import { learningRateAt, resolveSettings, type ResolvedSettings, type TrainingSettings } from "./options";
import { epochOrder, splitIndices, type SplitIndices } from "./sampling";
import { TrainedNetwork, trainedTensors } from "./trained-network";
import {
  TrainingFolder,
  type EpochSums,
  type TrainingProgress,
  type TrainingRecord,
} from "./training-folder";
import { networkToTrain } from "./training-network";
import { Watch, type WatchedLayer } from "./watch";

/** What is trained, on what, and where it is kept. */
export interface TrainOptions extends TrainingSettings {
  /** The training part of a set; a share of it is held out. */
  readonly dataset: Dataset;
  /** Folder of the training. */
  readonly out: string;
  /** Whether to go on with the training in the folder. @default false */
  readonly resume?: boolean | undefined;
  /** Ends the training after the mini-batch that is being computed, with a checkpoint; the promise is rejected with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each mini-batch. */
  readonly onProgress?: ((progress: TrainingStatus) => void) | undefined;
  /** Called after each epoch with its line of the log. */
  readonly onEpoch?: ((epoch: EpochRecord) => void) | undefined;
  /** Told once of what may make a continued training end in other bits. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** How far a training is. */
export interface TrainingStatus {
  readonly epoch: number;
  readonly epochs: number;
  /** Of the epoch. */
  readonly batch: number;
  readonly batches: number;
  /** Of the epoch until now. */
  readonly loss: number;
  readonly imagesPerSecond: number;
  readonly etaSeconds: number;
}

/** What {@link train} made. */
export interface TrainedModel {
  /** The checkpoint, in the original's form; beside it lies its network file. */
  readonly path: string;
  readonly settings: ResolvedSettings;
  readonly lastEpoch: EpochRecord | undefined;
}

const heldOutBatch = 100;

/**
 * Trains a network: an ANN, a spiking network with surrogate gradients, or the same by HIRE-SNN's crafted noise. The result depends on
 * the settings, the data and the seed alone, also if it is interrupted and gone on with: in all bits on one CPU with one number of
 * threads. On a GPU, libtorch is asked for the same sums each time.
 *
 * @throws HireSnnError INVALID_ARGUMENT for the settings; NETWORK_INVALID; DEVICE_UNAVAILABLE; TRAINING_FAILED with the layer's name if the training breaks
 *   down; IO
 * @example
 * const dataset = await openDataset("cifar10", { split: "train" });
 * await train({ method: "ann", network: "VGG5", dataset, epochs: 20, out: "runs/ann" });
 * await train({ method: "hire", network: "VGG5", timesteps: 6, from: "runs/ann/model.pt", dataset, out: "runs/hire" });
 */
export async function train(options: TrainOptions): Promise<TrainedModel> {
  const { dataset, out, resume, signal, onProgress, onEpoch, onWarning, ...asked } = options;
  signal?.throwIfAborted();
  const settings = await resolveSettings(asked, { datasetName: dataset.name, images: dataset.length });
  const network = networkToTrain(settings.network, dataset);
  const record = await describe(settings, dataset, signal);
  const found = resume ? TrainingFolder.resume(out, record) : undefined;
  if (found?.folder.finished) return { path: found.folder.modelPath, settings, lastEpoch: undefined };
  if (found && found.differences.length > 0) {
    onWarning?.(
      `The training goes on under other conditions, which its last bits depend on: ${found.differences.join("; ")}`,
    );
  }
  if (!found) TrainingFolder.expectNone(out);
  const seed = seedOf(settings);
  const initial = settings.from === undefined ? undefined : openCheckpoint(settings.from);
  try {
    const weights = initial && parametersOf(initial);
    const { mean, std } = shownWith(settings, dataset);
    using trained = await TrainedNetwork.create({ network, mean, std, settings, seed, weights });
    // Not before: a training that cannot begin leaves nothing that another would have to go on with.
    const folder = found?.folder ?? TrainingFolder.create(out, record);
    const run = new TrainingRun(trained, folder, settings, dataset, { signal, onProgress, onEpoch });
    const progress = found && (await folder.restore(trained));
    if (!progress && needsThresholds(settings, network, initial)) await run.calibrate();
    const lastEpoch = await run.from(progress ?? beginning(trained));
    folder.finish(networkFile(settings, dataset));
    return { path: folder.modelPath, settings, lastEpoch };
  } finally {
    initial?.close();
  }
}

function seedOf({ seed }: ResolvedSettings): Seed {
  return typeof seed === "string" ? BigInt(seed) : seed;
}

async function describe(
  settings: ResolvedSettings,
  dataset: Dataset,
  signal: AbortSignal | undefined,
): Promise<TrainingRecord> {
  const { from, device, ...decisive } = settings;
  const { libtorch, instructionSet } = runtimeIdentity();
  return {
    schemaVersion: 1,
    identity: {
      version: packageVersion(),
      ...decisive,
      checkpointMinutes: undefined, // decides when a state is kept, not what it is
      from: from === undefined ? null : await sha256OfFile(from, { signal }),
      dataset: { name: dataset.name, split: dataset.split, sha256: dataset.sha256, images: dataset.length },
    },
    execution: {
      libtorch,
      device,
      instructionSet,
      threads: getThreads(),
      platform: `${process.platform} ${process.arch}`,
    },
  };
}

/** What the checkpoint itself does not hold. */
function networkFile(settings: ResolvedSettings, dataset: Dataset): Record<string, unknown> {
  const { method, network, timesteps, coding, surrogate } = settings;
  // The paper's is what a network without it is taken to have.
  const own = method !== "ann" && JSON.stringify(surrogate) !== JSON.stringify(resolveSurrogate());
  const { name, imageShape } = dataset;
  const { mean, std } = shownWith(settings, dataset);
  return {
    ...{ network, inputShape: imageShape, timesteps, ...(coding === "rate" && { coding }) },
    ...(own && { surrogate }),
    ...{ dataset: name, mean, std },
  };
}

/** What is subtracted from images and what they are divided by: a data set's own statistics are those of direct coding. */
function shownWith({ coding }: ResolvedSettings, { imageShape: [channels], mean, std }: Dataset) {
  if (coding === "direct") return { mean, std };
  const { mean: middle, std: half } = rateCodedStatistics;
  return { mean: new Array<number>(channels).fill(middle), std: new Array<number>(channels).fill(half) };
}

function needsThresholds(
  settings: ResolvedSettings,
  network: Network,
  initial: Checkpoint | undefined,
): boolean {
  if (settings.method === "ann" || settings.calibration.when === "never") return false;
  if (settings.calibration.when === "always" || !initial) return true;
  const scalars = trainedTensors(network, false).filter(({ name }) => name.endsWith(".threshold"));
  return scalars.some(({ key }) => !initial.stateDict.tensors.has(key));
}

function beginning({ network }: TrainedNetwork): TrainingProgress {
  return { step: 0, epoch: 0, batch: 0, sums: noSums(network.layers.length - 1) };
}

function noSums(layers: number): EpochSums {
  return { loss: 0, correct: 0, samples: 0, gradientNorm: 0, spikes: new Array<number>(layers).fill(0) };
}

/** The epochs of a training. */
class TrainingRun {
  private readonly split: SplitIndices;
  private readonly seed: Seed;
  private readonly batches: number;
  private readonly watch: Watch;
  private readonly spiking: readonly WatchedLayer[];
  private begun = performance.now();
  private saved = performance.now();
  private images = 0;
  private scalars: { thresholds: ArrayLike<number>; leaks: ArrayLike<number> } = {
    thresholds: [],
    leaks: [],
  };

  constructor(
    private readonly trained: TrainedNetwork,
    private readonly folder: TrainingFolder,
    private readonly settings: ResolvedSettings,
    private readonly dataset: Dataset,
    private readonly callbacks: Pick<TrainOptions, "signal" | "onProgress" | "onEpoch">,
  ) {
    const { heldOut, trainingImages, batchSize } = settings;
    this.seed = seedOf(settings);
    this.split = splitIndices(dataset.length, heldOut, trainingImages, this.seed);
    this.batches = Math.ceil(trainingImages / batchSize);
    this.spiking = trained.network.layers.flatMap(({ kind, name }, counted) =>
      kind === "conv" || kind === "linear" ? [{ name, counted }] : [],
    );
    this.watch = new Watch(this.spiking);
  }

  async calibrate(): Promise<void> {
    const { calibration } = this.settings;
    const samples = epochOrder(this.split.training, this.seed, 0).slice(0, calibration.images).sort();
    const { images } = await readSamples(this.dataset, samples);
    await this.trained.calibrate(images, samples, calibration, this.callbacks.signal);
  }

  async from(start: TrainingProgress): Promise<EpochRecord | undefined> {
    this.begun = performance.now();
    let progress = start;
    let last: EpochRecord | undefined;
    while (progress.epoch < this.settings.epochs) {
      progress = await this.restOfEpoch(progress);
      last = await this.record(progress);
      this.folder.log(last);
      this.callbacks.onEpoch?.(last);
      progress = {
        ...progress,
        epoch: progress.epoch + 1,
        batch: 0,
        sums: noSums(progress.sums.spikes.length),
      };
      await this.save(progress);
    }
    return last;
  }

  private async restOfEpoch(start: TrainingProgress): Promise<TrainingProgress> {
    const { settings, dataset, seed, callbacks } = this;
    const order = epochOrder(this.split.training, seed, start.epoch + 1);
    const { batchSize, cropPadding, flip } = settings;
    const augmentation = { cropPadding, flip };
    let progress = start;
    const plan = { dataset, order, batchSize, augmentation, seed, epoch: start.epoch + 1 };
    for await (const { images, labels, samples } of epochBatches(plan, start.batch)) {
      const rate = learningRateAt(settings, progress.step / (settings.epochs * this.batches));
      const done = await this.trained.step(images, labels, samples, progress.step, plan.epoch, rate);
      const { thresholds, leaks, spikes, losses, correct, gradientNorm } = done;
      this.watch.check(spikes, thresholds);
      this.scalars = { thresholds, leaks };
      this.images += labels.length;
      const { sums } = progress;
      progress = {
        step: progress.step + 1,
        epoch: progress.epoch,
        batch: progress.batch + 1,
        sums: {
          loss: sums.loss + labels.length * mean(losses),
          correct: sums.correct + mean(correct),
          samples: sums.samples + labels.length,
          gradientNorm: sums.gradientNorm + gradientNorm,
          spikes: sums.spikes.map((sum, layer) => sum + (spikes[layer] as number)),
        },
      };
      this.report(progress);
      if (progress.batch === this.batches) break;
      if (callbacks.signal?.aborted) {
        await this.save(progress);
        callbacks.signal.throwIfAborted();
      }
      if (performance.now() - this.saved > settings.checkpointMinutes * 60_000) await this.save(progress);
    }
    return progress;
  }

  private async save(progress: TrainingProgress): Promise<void> {
    await this.folder.save(this.trained, progress);
    this.saved = performance.now();
    this.callbacks.signal?.throwIfAborted();
  }

  private speed(progress: TrainingProgress): {
    imagesPerSecond: number;
    etaSeconds: number;
    seconds: number;
  } {
    const seconds = (performance.now() - this.begun) / 1000;
    const imagesPerSecond = this.images / seconds;
    const left = this.settings.epochs * this.batches - progress.step;
    return { seconds, imagesPerSecond, etaSeconds: (left * this.settings.batchSize) / imagesPerSecond };
  }

  private report(progress: TrainingProgress): void {
    const { imagesPerSecond, etaSeconds } = this.speed(progress);
    this.callbacks.onProgress?.({
      ...{ epoch: progress.epoch + 1, epochs: this.settings.epochs },
      ...{ batch: progress.batch, batches: this.batches },
      ...{ loss: progress.sums.loss / progress.sums.samples, imagesPerSecond, etaSeconds },
    });
  }

  private async record(progress: TrainingProgress): Promise<EpochRecord> {
    const { sums } = progress;
    const { timesteps, epochs } = this.settings;
    const heldOutAccuracy = await this.heldOutAccuracy();
    const speed = this.speed(progress);
    const named = (values: ArrayLike<number>): Record<string, number> =>
      Object.fromEntries(Array.from(values, (value, i) => [this.spiking[i]?.name ?? "", value]));
    const layers = this.trained.network.layers.slice(0, -1);
    return {
      epoch: progress.epoch + 1,
      learningRate: learningRateAt(this.settings, (progress.step - 1) / (epochs * this.batches)),
      loss: sums.loss / sums.samples,
      trainingAccuracy: sums.correct / sums.samples,
      heldOutAccuracy,
      gradientNorm: sums.gradientNorm / this.batches,
      rates: Object.fromEntries(
        layers.map(({ name, outputShape }, layer) => {
          const neurons = outputShape.reduce((product, size) => product * size, 1);
          return [name, (sums.spikes[layer] as number) / (sums.samples * neurons * timesteps)];
        }),
      ),
      thresholds: named(this.scalars.thresholds),
      leaks: named(this.scalars.leaks),
      ...speed,
    };
  }

  private async heldOutAccuracy(): Promise<number | null> {
    const { heldOut } = this.split;
    if (heldOut.length === 0) return null;
    let correct = 0;
    for (let first = 0; first < heldOut.length; first += heldOutBatch) {
      const samples = heldOut.slice(first, first + heldOutBatch);
      const { images, labels } = await readSamples(this.dataset, samples);
      const logits = await this.trained.logits(images, samples, undefined);
      correct += countCorrect(logits, labels);
    }
    return correct / heldOut.length;
  }
}

/** Samples whose first largest logit is the label's. */
function countCorrect(logits: TensorData, labels: Int32Array): number {
  const classes = logits.length / labels.length;
  let correct = 0;
  labels.forEach((label, sample) => {
    const row = logits.subarray(sample * classes, (sample + 1) * classes);
    if (row.some((value) => !Number.isFinite(value))) {
      throw new HireSnnError(
        "TRAINING_FAILED",
        "Expected finite logits on the images held out but found others: train with a smaller learning rate",
      );
    }
    if (row.indexOf(Math.max(...row)) === label) correct++;
  });
  return correct;
}

function mean(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
}
