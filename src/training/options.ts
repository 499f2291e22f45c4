import type { z as Zod } from "zod";
import type { Device } from "../classifiers/classifier";
import { checkDevice } from "../classifiers/device";
import { HireSnnError } from "../errors";
import { resolveSurrogate, surrogateShapes, type Surrogate } from "../networks/surrogate";

/** How a network is trained. */
export const trainingMethods = ["ann", "traditional", "hire"] as const;
/** One of {@link trainingMethods}. */
export type TrainingMethod = (typeof trainingMethods)[number];

/** Made when settings are checked: zod is not loaded by those who do not train. */
function settingsSchema(z: typeof Zod) {
  const pixels = z.number().min(0).max(1);
  const rate = z.number().positive();
  const whole = (least: number): Zod.ZodNumber => z.number().int().min(least).max(Number.MAX_SAFE_INTEGER);

  const schedule = z
    .strictObject({
      /** The learning rate stays, falls by `factor` at each milestone, or falls along half a cosine to 0. */
      kind: z.enum(["constant", "step", "cosine"]).default("cosine"),
      /** Shares of the epochs. */
      milestones: z.array(z.number().gt(0).lt(1)).default([0.6, 0.8, 0.9]),
      factor: z.number().gt(0).lt(1).default(0.1),
    })
    .prefault({});

  const hire = z
    .strictObject({
      /** Parts of the time steps; the first sees the clean image. */
      periods: whole(1).default(2),
      /** In pixel units. */
      noiseStep: pixels.default(8 / 255),
      noiseBound: pixels.default(8 / 255),
      /** The gradient is the period before's, or that of a pass of its own after the update. */
      gradient: z.enum(["reuse", "recompute"]).default("reuse"),
      /** The noise begins at zero in each mini-batch, or where the one before left it. */
      noise: z.enum(["restart", "keep"]).default("restart"),
    })
    .prefault({});

  const calibration = z
    .strictObject({
      /** Whether thresholds are found: where the checkpoint has none, always, or never. */
      when: z.enum(["needed", "always", "never"]).default("needed"),
      images: whole(1).default(512),
      timesteps: whole(1).default(100),
      percentile: z.number().gt(0).max(1).default(0.997),
      /** What the thresholds that were found are multiplied by. */
      scale: rate.default(0.6),
      /** Of the layers in residual blocks, which are not searched for. */
      blockThreshold: rate.default(0.4),
    })
    .prefault({});

  return z.strictObject({
    method: z.enum(trainingMethods),
    network: z.string().min(1),
    timesteps: whole(1).max(10_000).default(8),
    /** How images are shown, as of {@link SpikingOptions}; rate coding with a mean and std of 0.5, and not to an ANN. */
    coding: z.enum(["direct", "rate"]).default("direct"),
    /** The derivative of the firing step; see {@link SurrogateOptions}. Default: that of the paper. */
    surrogate: z
      .strictObject({
        shape: z.enum(surrogateShapes),
        a: rate.optional(),
        scale: z.enum(["threshold", "absolute"]).optional(),
      })
      .optional(),
    epochs: whole(1).max(100_000).default(10),
    batchSize: whole(1).max(4096).default(64),
    /** Default: 0.01 for an ANN, else 0.0001. */
    learningRate: rate.optional(),
    schedule,
    /** Default: SGD for an ANN, else Adam. */
    optimizer: z.enum(["sgd", "adam"]).optional(),
    momentum: z.number().min(0).lt(1).default(0.9),
    /** L2, of the weights. Default: 0.0005 for an ANN, else 0. */
    weightDecay: z.number().min(0).optional(),
    beta1: z.number().min(0).lt(1).default(0.9),
    beta2: z.number().min(0).lt(1).default(0.999),
    amsgrad: z.boolean().default(true),
    trainThresholds: z.boolean().default(true),
    trainLeaks: z.boolean().default(true),
    dropout: z.number().min(0).lt(1).default(0.2),
    /** Images on which a network is fitted: the first n of the set after a shuffle. Default: all but those held out. */
    trainingImages: whole(1).optional(),
    /** Images of the training set that are kept out to measure the accuracy. Default: a tenth, at most 5,000. */
    heldOut: whole(0).optional(),
    /** Crops of the image padded by this many pixels. Default: 4 for CIFAR, else 0. */
    cropPadding: whole(0).max(64).optional(),
    /** Whether images are mirrored at random. Default: for CIFAR. */
    flip: z.boolean().optional(),
    seed: z.union([whole(0), z.string().regex(/^\d+$/)]).default(0),
    hire,
    calibration,
    /** A checkpoint to begin with: of an ANN, or of a spiking network. */
    from: z.string().min(1).optional(),
    /** A checkpoint is written at the end of an epoch, and when this many minutes have passed since the last. */
    checkpointMinutes: z.number().min(0).default(5),
    /** Computes on libtorch's dense layers. */
    plain: z.boolean().default(false),
    /** Where to compute: "cpu", "cuda" or "cuda:N". A GPU computes on libtorch's dense layers; thresholds are found on the CPU. */
    device: z.string().default("cpu"),
    /**
     * Multiplies in bfloat16, all but the first layer, which sees the image, and the last, which makes the logits; weights, membranes and
     * the optimizer stay in float32. On libtorch's dense layers, and meant for GPUs.
     */
    mixedPrecision: z.boolean().default(false),
  });
}

type Schema = ReturnType<typeof settingsSchema>;

/** The settings of a training as they are asked for; what is absent takes its default. */
export type TrainingSettings = Zod.input<Schema>;

/** The settings of a training, complete: what is stored with its checkpoints. */
export interface ResolvedSettings extends Zod.output<Schema> {
  readonly surrogate: Surrogate;
  readonly device: Device;
  readonly learningRate: number;
  readonly optimizer: "sgd" | "adam";
  readonly weightDecay: number;
  readonly heldOut: number;
  readonly cropPadding: number;
  readonly flip: boolean;
  readonly trainingImages: number;
}

/** What the defaults depend on. */
export interface SettingsContext {
  readonly datasetName: string;
  readonly images: number;
}

const mostHeldOut = 5000;

/**
 * Checks settings and fills in what is absent.
 *
 * @throws HireSnnError INVALID_ARGUMENT with every setting that is not what it has to be
 */
export async function resolveSettings(
  settings: Readonly<Record<string, unknown>>,
  { datasetName, images }: SettingsContext,
): Promise<ResolvedSettings> {
  const { z } = await import("zod");
  const parsed = settingsSchema(z).safeParse(settings);
  if (!parsed.success) {
    const lines = parsed.error.issues.map(
      ({ path, message }) => `  ${path.join(".") || "settings"}: ${message}`,
    );
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected other settings of the training:\n${lines.join("\n")}`,
    );
  }
  const given = parsed.data;
  const isAnn = given.method === "ann";
  const isCifar = datasetName.startsWith("cifar");
  const heldOut = given.heldOut ?? Math.min(mostHeldOut, Math.floor(images / 10));
  const resolved: ResolvedSettings = {
    ...given,
    device: checkDevice(given.device),
    surrogate: resolveSurrogate(given.surrogate),
    timesteps: isAnn ? 1 : given.timesteps,
    learningRate: given.learningRate ?? (isAnn ? 0.01 : 1e-4),
    optimizer: given.optimizer ?? (isAnn ? "sgd" : "adam"),
    weightDecay: given.weightDecay ?? (isAnn ? 5e-4 : 0),
    heldOut,
    trainingImages: given.trainingImages ?? images - heldOut,
    cropPadding: given.cropPadding ?? (isCifar ? 4 : 0),
    flip: given.flip ?? isCifar,
  };
  if (isAnn && given.surrogate) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      "Expected no surrogate gradient (--surrogate) for the method ann: its units have a derivative",
    );
  }
  checkCombination(resolved, images);
  return resolved;
}

function checkCombination(settings: ResolvedSettings, images: number): void {
  const { method, timesteps, coding, hire: noise, heldOut, trainingImages } = settings;
  if (method === "ann" && coding === "rate") {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      "Expected direct coding (--coding) for the method ann but received rate: an ANN has one pass, of the image itself; train a " +
        "spiking network with rate coding, from an ANN if need be (--from)",
    );
  }
  if (method === "hire" && timesteps % noise.periods !== 0) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected a number of periods that divides the ${timesteps} time steps but received ${noise.periods}`,
    );
  }
  if (trainingImages < 1 || heldOut + trainingImages > images) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected at most ${images} images, the training set's, for heldOut and trainingImages together but received ` +
        `${heldOut} and ${trainingImages}`,
    );
  }
}

/**
 * The learning rate of one mini-batch.
 *
 * @param progress share of all mini-batches that are done, from 0 to below 1
 */
export function learningRateAt(settings: ResolvedSettings, progress: number): number {
  const { learningRate, schedule: plan } = settings;
  switch (plan.kind) {
    case "constant":
      return learningRate;
    case "step":
      return (
        learningRate * plan.factor ** plan.milestones.filter((milestone) => progress >= milestone).length
      );
    case "cosine":
      return (learningRate * (1 + Math.cos(Math.PI * progress))) / 2;
  }
}
