import { getThreads, runtimeIdentity } from "../native/addon";
import { cancellable } from "../native/cancellable";
import type { NativeScriptClassifier } from "../native/contract";
import { Tensor } from "../tensor/tensor";
import type { CallOptions, Classifier, Device, Identified, InputGradient } from "./classifier";
import type { Loss } from "./loss";
import type { TorchScriptModule } from "./torchscript-module";

/** What said how a program is used: the caller, the archive's own metadata, or the data set. */
export type ScriptSource = "option" | "archive" | "data set";

/** How a program is used as a classifier, where it does not follow from the program. */
export interface ScriptUse {
  /** [C, H, W] of one image. */
  readonly inputShape: readonly [number, number, number];
  /** Per channel, in pixel units; the program sees (pixel - mean) / std. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Path of the logits among the outputs ("0", "logits", "out.logits"); found by shape unless given. */
  readonly output?: string | undefined;
  /** Tells several outputs apart that could be logits. */
  readonly classes?: number | undefined;
  /** Images that the program is run on at once; 8 unless given, and 1 where the program allows no other number. */
  readonly microBatch?: number | undefined;
  /** Gives a gradient of zeros where the program has none, instead of NO_GRADIENT. */
  readonly allowZeroGradient?: boolean | undefined;
}

/** The archive that a classifier was read from, and what was concluded in reading it. */
export interface ScriptOrigin {
  readonly path: string;
  readonly sha256: string;
  readonly inputShapeFrom: ScriptSource;
  readonly normalisationFrom: ScriptSource;
  /** Oddities of the archive, as sentences. */
  readonly warnings: readonly string[];
}

/**
 * A TorchScript program as a classifier: any network of any framework that exports to it.
 *
 * libtorch's kernels depend on the number of images, so the program always runs on micro-batches of one size, the last one padded
 * with black images; that size and the number of threads are part of what decides its bits. Calls queue on the compute thread, and
 * an AbortSignal stops them between two micro-batches.
 */
export class TorchScriptClassifier implements Classifier, Identified {
  readonly name: string;
  readonly classes: number;
  readonly inputShape: readonly [number, number, number];
  readonly device: Device;
  readonly dtype: "float32" | "float64";
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Path of the logits; "" if the program returns one tensor. */
  readonly output: string;
  readonly microBatch: number;
  /** Whether two runs on the same images gave the same bits. */
  readonly repeatable: boolean;
  readonly allowZeroGradient: boolean;
  readonly origin: ScriptOrigin;
  /** What a reader of its figures has to know, as sentences. */
  readonly warnings: readonly string[];
  readonly #native: NativeScriptClassifier;

  private constructor(
    native: NativeScriptClassifier,
    module: TorchScriptModule,
    name: string,
    use: ScriptUse,
    origin: ScriptOrigin,
  ) {
    this.#native = native;
    this.name = name;
    this.classes = native.classes;
    this.inputShape = use.inputShape;
    this.device = module.device;
    this.dtype = module.dtype;
    this.mean = [...use.mean];
    this.std = [...use.std];
    this.output = native.output;
    this.microBatch = native.microBatch;
    this.repeatable = native.repeatable;
    this.allowZeroGradient = use.allowZeroGradient ?? false;
    this.origin = origin;
    this.warnings = [...origin.warnings, ...behaviourOf(module, native)];
  }

  /**
   * Runs the program on a few images of its own, to learn its classes and what it can be run on.
   *
   * @throws HireSnnError SCRIPT_FAILED if it stops, SCRIPT_INVALID if nothing it returns is logits, or several things are
   */
  static async create(
    module: TorchScriptModule,
    use: ScriptUse,
    { name, origin, signal }: CallOptions & { name: string; origin: ScriptOrigin },
  ): Promise<TorchScriptClassifier> {
    const { inputShape, mean, std, output, classes, microBatch, allowZeroGradient = false } = use;
    const plan = {
      ...{ inputShape, mean, std, allowZeroGradient },
      ...(output !== undefined && { output }),
      ...(classes !== undefined && { classes }),
      ...(microBatch !== undefined && { microBatch }),
    };
    return new TorchScriptClassifier(await module.toClassifier(plan, { signal }), module, name, use, origin);
  }

  get identity(): Readonly<Record<string, unknown>> {
    const { libtorch, instructionSet } = runtimeIdentity();
    return {
      kind: "torchscript",
      sha256: this.origin.sha256,
      output: this.output,
      mean: this.mean,
      std: this.std,
      dtype: this.dtype,
      // Which of several GPUs it is does not decide its numbers.
      device: this.device.replace(/:.*/, ""),
      microBatch: this.microBatch,
      threads: getThreads(),
      libtorch,
      instructionSet,
      ...(this.allowZeroGradient && { allowZeroGradient: true }),
    };
  }

  async logits(images: Tensor, { signal }: CallOptions = {}): Promise<Tensor> {
    const logits = await cancellable(signal, async (cancellation) =>
      this.#native.logits(Tensor.toNative(images), cancellation),
    );
    return Tensor.fromNative(logits);
  }

  async inputGradient(images: Tensor, loss: Loss, { signal }: CallOptions = {}): Promise<InputGradient> {
    const result = await cancellable(signal, async (cancellation) =>
      this.#native.inputGradient(Tensor.toNative(images), loss.labels, cancellation),
    );
    return {
      gradient: Tensor.fromNative(result.gradient),
      losses: Tensor.fromNative(result.losses),
      logits: Tensor.fromNative(result.logits),
    };
  }

  /** Frees the program. Work in flight still ends; anything later throws DISPOSED. */
  [Symbol.dispose](): void {
    this.#native.dispose();
  }

  /** As {@link TorchScriptClassifier[Symbol.dispose]}, where there is no `using`. */
  dispose(): void {
    this[Symbol.dispose]();
  }
}

function behaviourOf(
  { wasTraining }: TorchScriptModule,
  { whySingle, repeatable, changesItself }: NativeScriptClassifier,
): string[] {
  return [
    ...(wasTraining ? ["It was saved in training mode and is run in evaluation mode."] : []),
    ...(whySingle ? [`It is run on one image at a time: ${whySingle}.`] : []),
    ...(changesItself
      ? ["It changes its own state when it runs; each micro-batch starts from the state in the file."]
      : []),
    ...(repeatable
      ? []
      : [
          "It gives other logits for the same images each time: its figures cannot be repeated, and each gradient is one draw.",
        ]),
  ];
}
