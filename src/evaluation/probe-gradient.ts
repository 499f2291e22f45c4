import type { Classifier } from "../classifiers/classifier";
import { crossEntropy } from "../classifiers/loss";
import { HireSnnError } from "../errors";
import { tensorScope } from "../tensor/scope";
import type { Tensor } from "../tensor/tensor";
import type { PassCount } from "./pass-count";

/** What {@link probeGradient} saw. */
export interface GradientProbe {
  /** Whether the gradient was exactly zero at every pixel of every image. */
  readonly zero: boolean;
}

/** How {@link probeGradient} is called. */
export interface ProbeOptions {
  /** Whether a gradient of zero is no error but a finding. */
  readonly allowZero: boolean;
  readonly signal?: AbortSignal | undefined;
  /**
   * Is told of the two passes.
   *
   * @internal
   */
  readonly passes?: PassCount | undefined;
}

/**
 * Asks a classifier for its gradient at a few images before any attack follows it. An attack along a gradient that is not there
 * changes nothing, which would look like robustness.
 *
 * The loss is taken for the least likely class of each image: its gradient by the logits is never small, so that what is zero behind
 * it is the model's own.
 *
 * @param images [N, C, H, W]
 * @throws HireSnnError NO_GRADIENT, saying what was seen and the way out; INVALID_RESULT if it is finite at
 *   none of the images
 */
export async function probeGradient(
  classifier: Classifier,
  images: Tensor,
  { allowZero, signal, passes }: ProbeOptions,
): Promise<GradientProbe> {
  const [samples = 0] = images.shape;
  passes?.countForward(images);
  passes?.countGradient(images);
  const labels = await leastLikely(classifier, images, signal);
  const { gradient, losses, logits } = await classifier.inputGradient(images, crossEntropy(labels), {
    signal,
  });
  losses.dispose();
  logits.dispose();
  using followed = gradient;
  using largest = tensorScope(() => followed.abs().maxPerSample());
  const magnitudes = await largest.data();
  // Single samples without a finite gradient are marked in the ledger; a model that has none is not worth an attack.
  const finite = magnitudes.filter((magnitude) => Number.isFinite(magnitude));
  if (finite.length === 0) {
    throw new HireSnnError(
      "INVALID_RESULT",
      `Expected a finite input gradient from ${classifier.name} but received one of magnitude ${magnitudes[0]} for sample 0, and no ` +
        `finite one for any of the ${samples} images probed before any attack; look for NaN or overflow in the model's weights, or a ` +
        "division by zero in its forward pass",
    );
  }
  const zero = finite.every((magnitude) => magnitude === 0);
  if (zero && !allowZero) {
    throw new HireSnnError(
      "NO_GRADIENT",
      `Expected an input gradient from ${classifier.name} for the attacks but it is exactly zero at every pixel of all ${samples} ` +
        "images that were probed: no attack can follow it, and accuracy under attack would be no sign of robustness. Look for spikes " +
        "without a surrogate gradient, rounding, or saturation; or allow it with --allow-zero-gradient (allowZeroGradient), which " +
        "marks the report",
    );
  }
  return { zero };
}

async function leastLikely(
  classifier: Classifier,
  images: Tensor,
  signal: AbortSignal | undefined,
): Promise<Int32Array> {
  using logits = await classifier.logits(images, { signal });
  const values = await logits.data();
  const { classes } = classifier;
  return Int32Array.from({ length: images.shape[0] as number }, (_, sample) => {
    let least = 0;
    for (let j = 1; j < classes; j++) {
      if ((values[sample * classes + j] as number) < (values[sample * classes + least] as number)) least = j;
    }
    return least;
  });
}
