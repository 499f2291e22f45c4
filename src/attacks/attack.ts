import type { Classifier } from "../classifiers/classifier";
import type { Tensor } from "../tensor/tensor";
import type { Seed } from "../tensor/philox";

/** What an attack may do to an image: stay within `epsilon` of it in the norm, and within pixels from 0 to 1. */
export interface ThreatModel {
  readonly norm: "Linf";
  /** In pixel units: 8/255, not 8. */
  readonly epsilon: number;
}

/** What every attack call may be given beside the images. */
export interface AttackOptions {
  /** Stops the attack within one layer; the promise is then rejected with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each gradient step with its number, from 1, and the number of steps. */
  readonly onStep?: ((step: number, steps: number) => void) | undefined;
  /**
   * What becomes of a gradient that is not finite: an error, or a mark in {@link AttackResult.invalidGradientSteps} with which the
   * other samples go on. An evaluation marks. @default "throw"
   */
  readonly invalidGradients?: "throw" | "mark" | undefined;
}

/** What an attack that draws random numbers takes in addition. */
export interface RandomOptions {
  /** 64 bits. @default 0 */
  readonly seed?: Seed | undefined;
  /**
   * The index of each sample in its data set: its random numbers depend on it, and not on the batch that the sample is in.
   * @default 0, 1, 2, ...
   */
  readonly sampleIndices?: ArrayLike<number> | undefined;
  /** Which restart this is: each has its own random numbers. @default 0 */
  readonly restart?: number | undefined;
}

/** What an attack made of a batch of images. */
export interface AttackResult {
  /** [N, C, H, W], of the dtype of the images that were attacked; a tensor of its own, which the caller disposes. */
  readonly images: Tensor;
  /**
   * `[N]`: at how many steps the loss had a gradient of exactly zero at every pixel of the sample. Such a step does not move the
   * image, so a sample that kept its label by it says nothing about robustness.
   */
  readonly zeroGradientSteps: Int32Array;
  /** `[N]`: at how many steps the gradient was not finite; such a sample has no result. @default none */
  readonly invalidGradientSteps?: Int32Array | undefined;
  /**
   * `[N]`: after how many gradient steps the attacked classifier first gave the iterate another class than the label; 0 stands for the
   * start point, -1 for no iterate whose gradient was taken. The final image is not among them: the attack does not classify it.
   */
  readonly firstSuccess?: Int32Array | undefined;
}

/**
 * An attack with its parameters: what a protocol runs. It knows the {@link Classifier} interface and tensors alone, and anything
 * of this shape can be evaluated, one written outside this package included.
 *
 * Every sample is attacked, also one that is misclassified already, and the result of a sample does not depend on its neighbours
 * in the batch.
 */
export interface Attack {
  /** "fgsm", "pgd": also the name of its stream of random numbers. */
  readonly name: string;
  readonly threatModel: ThreatModel;
  /** All that, with the seed, is needed to repeat the attack; part of a run's identity. */
  readonly parameters: Readonly<Record<string, number | boolean | string>>;
  /** Gradients that it takes of each sample. */
  readonly steps: number;
  /**
   * Attacks a batch of images.
   *
   * @param images [N, C, H, W], pixels in [0, 1]; they stay as they are
   * @param labels one class index per image
   */
  run(
    classifier: Classifier,
    images: Tensor,
    labels: ArrayLike<number>,
    options?: AttackOptions & RandomOptions,
  ): Promise<AttackResult>;
}
