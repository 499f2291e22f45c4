import type { Classifier } from "../classifiers/classifier";
import { tensorScope } from "../tensor/scope";
import type { Tensor } from "../tensor/tensor";
import type { Attack, AttackOptions, AttackResult, RandomOptions } from "./attack";
import { checkAttackInputs, checkEpsilon } from "./checks";
import { attackRecord, gradientPass, observedGradient } from "./gradient";

/** What {@link fgsm} is run with. */
export interface FgsmParameters {
  /** Radius in the maximum norm, in pixel units, finite, at least 0. */
  readonly epsilon: number;
}

/**
 * The fast gradient sign method of Goodfellow, Shlens and Szegedy, "Explaining and harnessing adversarial examples" (ICLR 2015):
 *
 *     x' = clamp(x + epsilon * sign(gradient of the cross-entropy by x), 0, 1)
 *
 * without a random start, and with sign(0) = 0.
 *
 * @param images [N, C, H, W], pixels in [0, 1]; epsilon is rounded to their dtype
 * @param labels the true class of each image
 * @throws HireSnnError INVALID_ARGUMENT if an argument does not fit, INVALID_RESULT if the classifier's gradient is not finite
 *   (unless that is marked)
 * @example
 * const { images: adversarial, zeroGradientSteps } = await fgsm(classifier, images, labels, { epsilon: 8 / 255 });
 */
export async function fgsm(
  classifier: Classifier,
  images: Tensor,
  labels: ArrayLike<number>,
  options: FgsmParameters & AttackOptions & Pick<RandomOptions, "sampleIndices" | "restart">,
): Promise<AttackResult> {
  const { signal, onStep, invalidGradients, sampleIndices, restart } = options;
  const epsilon = checkEpsilon(options.epsilon);
  const loss = await checkAttackInputs(classifier, images, labels);
  const record = attackRecord(labels.length);

  using gradient = await observedGradient(classifier, images, loss, record, {
    ...{ signal, sampleIndices, pass: gradientPass(1, restart), stepsBefore: 0, invalidGradients },
  });
  const adversarial = tensorScope(() => images.add(gradient.sign().multiply(epsilon)).clamp(0, 1));
  onStep?.(1, 1);
  return { images: adversarial, ...record };
}

/** {@link fgsm} with its parameters, for a protocol to run. */
export function fgsmAttack(parameters: FgsmParameters): Attack {
  const epsilon = checkEpsilon(parameters.epsilon);
  return {
    name: "fgsm",
    threatModel: { norm: "Linf", epsilon },
    parameters: { epsilon },
    steps: 1,
    run: (classifier, images, labels, options = {}) =>
      fgsm(classifier, images, labels, { ...options, epsilon }),
  };
}
