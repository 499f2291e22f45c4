import type { Device } from "../classifiers/classifier";
import { HireSnnError } from "../errors";
import { trainingMethods, type TrainingMethod, type TrainingSettings } from "../training/options";
import type { ReproductionPreset } from "./presets";

/** Seeds of the networks: each is the black-box source of the other of its method. */
export const networkSeeds = [0, 1] as const;

/** A training of a reproduction. */
export interface PlannedTraining {
  /** Also the name of its folder: "hire-0". */
  readonly name: string;
  readonly method: TrainingMethod;
  readonly seed: number;
  /** The training whose network it begins with: the ANN of the same seed. */
  readonly from: string | null;
  readonly settings: Omit<TrainingSettings, "from">;
}

/** What a machine takes, measured on a few mini-batches. */
export interface Measurement {
  /** Of one image in one epoch, by method. */
  readonly trainingSeconds: Readonly<Record<TrainingMethod, number>>;
  /** Of finding thresholds, for one image and time step. */
  readonly calibrationSeconds: number;
  /** Of one image under all attacks, white and black box. */
  readonly evaluationSeconds: { readonly ann: number; readonly spiking: number };
}

/** What a reproduction does; kept in `plan.json`, so that one that is gone on with does the same. */
export interface ReproductionPlan {
  readonly schemaVersion: 1;
  readonly preset: string;
  /** Where it began to be computed; the CPU, if it says nothing. */
  readonly device?: Device;
  /** Seconds that it was to be fitted into; null for the whole schedule. */
  readonly budgetSeconds: number | null;
  readonly measured: Measurement | null;
  /** Of all parts together, from what was measured. */
  readonly estimatedSeconds: number | null;
  /** Folder of trainings that are there already; null if they are made. */
  readonly trained: string | null;
  readonly trainings: readonly PlannedTraining[];
  /** Test images, the first of the set. */
  readonly samples: number;
}

/** Sizes of the data that a plan is made for. */
export interface PlanSizes {
  readonly trainingImages: number;
  readonly testImages: number;
}

/** Part of the time that evaluation may take, that finding thresholds may, and what is kept for all that is not measured. */
const evaluationShare = 0.2;
const calibrationShare = 0.06;
const reserve = 0.1;
/** Of what is left for training. A spiking network is as good as the ANN that it begins with. */
const annShare = 0.35;

/** Rather fewer images than fewer epochs. */
const leastEpochs = { ann: 4, spiking: 2 };
const leastImages = 640;
const leastSamples = 100;
const mostHeldOut = 1000;
/** What the held-out accuracy costs of an image in training: a forward pass. */
const forwardShare = 0.4;

/** The plan without a budget: the preset's schedule. */
export function fullPlan(preset: ReproductionPreset, samples: number): ReproductionPlan {
  return {
    ...{ schemaVersion: 1, preset: preset.name, budgetSeconds: null, measured: null, estimatedSeconds: null },
    ...{ trained: null, samples, trainings: trainingsOf(preset, {}, {}) },
  };
}

/**
 * A plan that fits a time: fewer test images, fewer epochs and, where they would be too few, fewer images to train on. Both spiking methods
 * always have the same.
 *
 * @param samples test images, if they are asked for
 * @throws HireSnnError INVALID_ARGUMENT if the time is too short for any, with the time that is needed
 */
export function fitPlan(
  preset: ReproductionPreset,
  measured: Measurement,
  budgetSeconds: number,
  sizes: PlanSizes,
  samples?: number,
): ReproductionPlan {
  const seeds = networkSeeds.length;
  const { trainingSeconds: perImage, evaluationSeconds } = measured;
  const perSample = seeds * (evaluationSeconds.ann + 2 * evaluationSeconds.spiking);
  const perSpikingImage = perImage.traditional + perImage.hire;
  const usable = (1 - reserve) * budgetSeconds;

  const tested =
    samples ??
    Math.min(
      sizes.testImages,
      Math.max(leastSamples, Math.floor((evaluationShare * budgetSeconds) / perSample)),
    );
  const evaluating = tested * perSample;
  const calibration = calibrationWithin(preset, calibrationShare * budgetSeconds, measured);
  const training = usable - evaluating - calibration.seconds;

  const heldOut = Math.min(mostHeldOut, Math.floor(sizes.trainingImages / 10));
  const images = sizes.trainingImages - heldOut;
  const fit = (share: number, seconds: number, epochs: number, least: number): Schedule | undefined =>
    scheduleWithin((share * training) / seeds, seconds, { images, heldOut, epochs, least });
  const ann = fit(annShare, perImage.ann, preset.ann.epochs, leastEpochs.ann);
  const spiking = fit(1 - annShare, perSpikingImage, preset.spiking.epochs, leastEpochs.spiking);
  if (!ann || !spiking) {
    const least = Math.max(
      (leastEpochs.ann * leastImages * perImage.ann) / annShare,
      (leastEpochs.spiking * leastImages * perSpikingImage) / (1 - annShare),
    );
    const held = 1 + (forwardShare * heldOut) / leastImages;
    const others = (samples ?? leastSamples) * perSample;
    const needed = (seeds * least * held + others) / (1 - reserve - calibrationShare);
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected a budget of at least about ${Math.ceil(needed / 60)} min for ${preset.name} on this machine but received ` +
        `${(budgetSeconds / 60).toFixed(1)} min`,
    );
  }
  const seconds = ann.seconds + spiking.seconds;
  return {
    ...{ schemaVersion: 1, preset: preset.name, budgetSeconds, measured, trained: null, samples: tested },
    estimatedSeconds: seeds * seconds + evaluating + calibration.seconds,
    trainings: trainingsOf(
      preset,
      { epochs: ann.epochs, trainingImages: ann.images, heldOut },
      {
        ...{ epochs: spiking.epochs, trainingImages: spiking.images, heldOut },
        calibration: { ...preset.spiking.calibration, ...calibration.settings },
      },
    ),
  };
}

interface Schedule {
  readonly epochs: number;
  readonly images: number;
  readonly seconds: number;
}

function scheduleWithin(
  seconds: number,
  perImage: number,
  full: { images: number; heldOut: number; epochs: number; least: number },
): Schedule | undefined {
  const epochSeconds = (images: number): number => perImage * (images + forwardShare * full.heldOut);
  const least = Math.min(full.least, full.epochs);
  const epochs = Math.min(full.epochs, Math.max(least, Math.floor(seconds / epochSeconds(full.images))));
  const images = Math.min(
    full.images,
    Math.floor(seconds / (epochs * perImage) - forwardShare * full.heldOut),
  );
  if (images < Math.min(leastImages, full.images)) return undefined;
  return { epochs, images, seconds: epochs * epochSeconds(images) };
}

/** Fewer time steps first, then fewer images: a threshold is the maximum over both. */
function calibrationWithin(
  preset: ReproductionPreset,
  seconds: number,
  { calibrationSeconds }: Measurement,
): { settings: { images: number; timesteps: number }; seconds: number } {
  const { images = 512, timesteps = 100 } = preset.spiking.calibration ?? {};
  const networks = 2 * networkSeeds.length;
  const affordable = seconds / (networks * calibrationSeconds); // images times steps
  const steps = Math.min(timesteps, Math.max(4 * preset.timesteps, Math.floor(affordable / images)));
  const count = Math.min(images, Math.max(64, Math.floor(affordable / steps)));
  return {
    settings: { images: count, timesteps: steps },
    seconds: networks * count * steps * calibrationSeconds,
  };
}

/** ANNs first, then what begins with them, seed by seed. */
function trainingsOf(
  { network, timesteps, ann, spiking }: ReproductionPreset,
  annScaled: Partial<TrainingSettings>,
  spikingScaled: Partial<TrainingSettings>,
): PlannedTraining[] {
  return networkSeeds.flatMap((seed) =>
    trainingMethods.map((method) => ({
      ...{ name: `${method}-${seed}`, method, seed, from: method === "ann" ? null : `ann-${seed}` },
      settings: {
        ...{ method, network, seed },
        ...(method === "ann" ? { ...ann, ...annScaled } : { timesteps, ...spiking, ...spikingScaled }),
      },
    })),
  );
}
