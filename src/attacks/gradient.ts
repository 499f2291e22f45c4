import type { CallOptions, Classifier } from "../classifiers/classifier";
import type { Loss } from "../classifiers/loss";
import { HireSnnError } from "../errors";
import { tensorScope } from "../tensor/scope";
import type { Tensor } from "../tensor/tensor";

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
 * carries it, and one that is not a number (torch's sign of NaN is 0), and either would pass for robustness.
 *
 * @param zeroGradientSteps [N]: incremented for each sample whose gradient is exactly zero at every pixel
 * @returns the gradient, of the shape of the images; the caller disposes it
 * @throws HireSnnError INVALID_RESULT if the classifier gives another shape or a gradient that is not finite
 */
export async function observedGradient(
  classifier: Classifier,
  images: Tensor,
  loss: Loss,
  zeroGradientSteps: Int32Array,
  options: CallOptions,
): Promise<Tensor> {
  const { gradient, losses, logits } = await classifier.inputGradient(images, loss, options);
  losses.dispose();
  logits.dispose();
  try {
    if (gradient.shape.join() !== images.shape.join()) {
      throw new HireSnnError(
        "INVALID_RESULT",
        `Expected an input gradient of the shape of the images, [${images.shape.join(", ")}], from ${classifier.name} ` +
          `but received [${gradient.shape.join(", ")}]`,
      );
    }
    using largest = tensorScope(() => gradient.abs().maxPerSample());
    const magnitudes = await largest.data();
    for (let sample = 0; sample < magnitudes.length; sample++) {
      const magnitude = magnitudes[sample] as number;
      if (!Number.isFinite(magnitude)) {
        throw new HireSnnError(
          "INVALID_RESULT",
          `Expected a finite input gradient from ${classifier.name} but received one of magnitude ${magnitude} for sample ` +
            `${sample} of the batch; look for NaN or overflow in the model's weights, thresholds and leaks`,
        );
      }
      if (magnitude === 0) zeroGradientSteps[sample] = (zeroGradientSteps[sample] ?? 0) + 1;
    }
    return gradient;
  } catch (error) {
    gradient.dispose();
    throw error;
  }
}
