import type { Classifier } from "../classifiers/classifier";
import { HireSnnError } from "../errors";
import { tensorScope } from "../tensor/scope";
import { Tensor } from "../tensor/tensor";
import type { Attack, AttackOptions, AttackResult, RandomOptions } from "./attack";
import { checkAttackInputs, checkEpsilon } from "./checks";
import { attackRecord, gradientPass, observedGradient } from "./gradient";
import { uniformStart } from "./random-start";

/** What {@link pgd} is run with. */
export interface PgdParameters {
  /** Radius in the maximum norm, in pixel units, finite, at least 0. */
  readonly epsilon: number;
  /** Number of gradient steps, at least 1. */
  readonly steps: number;
  /** Length of a step in pixel units, finite, above 0. */
  readonly stepSize: number;
  /** Start from a point drawn uniformly within epsilon, instead of from the image. @default true */
  readonly randomStart?: boolean | undefined;
}

const name = "pgd";

/**
 * Projected gradient descent of Madry, Makelov, Schmidt, Tsipras and Vladu, "Towards deep learning models resistant to adversarial
 * attacks" (ICLR 2018), in the maximum norm and as HIRE-SNN runs it:
 *
 *     x_0     = clamp(x + uniform(-epsilon, epsilon), 0, 1)
 *     x_(k+1) = clamp(min(x + epsilon, max(x - epsilon, x_k + stepSize * sign(gradient at x_k))), 0, 1)
 *
 * The last iterate is returned, not the one with the largest loss; sign(0) = 0. {@link uniformStart} says how the random start is
 * drawn.
 *
 * @param images [N, C, H, W], pixels in [0, 1]; epsilon and the step size are rounded to their dtype
 * @param labels the true class of each image
 * @throws HireSnnError INVALID_ARGUMENT if an argument does not fit, INVALID_RESULT if a gradient of the classifier is not finite
 *   (unless that is marked)
 * @example
 * const { images: adversarial } = await pgd(classifier, images, labels, { epsilon: 0.031, steps: 7, stepSize: 0.01, seed: 0 });
 */
export async function pgd(
  classifier: Classifier,
  images: Tensor,
  labels: ArrayLike<number>,
  options: PgdParameters & AttackOptions & RandomOptions,
): Promise<AttackResult> {
  const { epsilon, steps, stepSize, randomStart } = checkParameters(options);
  const { signal, onStep, invalidGradients, sampleIndices, restart } = options;
  const loss = await checkAttackInputs(classifier, images, labels);
  const record = attackRecord(labels.length);

  using lowest = images.subtract(epsilon);
  using highest = images.add(epsilon);
  let current = randomStart ? await randomPoint(images, epsilon, options) : images.clamp(0, 1);
  try {
    for (let step = 1; step <= steps; step++) {
      const pass = gradientPass(step, restart);
      using gradient = await observedGradient(classifier, current, loss, record, {
        ...{ signal, sampleIndices, pass, stepsBefore: step - 1, invalidGradients },
      });
      using previous = current;
      current = tensorScope(() =>
        previous.add(gradient.sign().multiply(stepSize)).maximum(lowest).minimum(highest).clamp(0, 1),
      );
      onStep?.(step, steps);
    }
  } catch (error) {
    current.dispose();
    throw error;
  }
  return { images: current, ...record };
}

/** {@link pgd} with its parameters, for a protocol to run. */
export function pgdAttack(parameters: PgdParameters): Attack {
  const checked = checkParameters(parameters);
  return {
    name,
    threatModel: { norm: "Linf", epsilon: checked.epsilon },
    parameters: checked,
    steps: checked.steps,
    run: (classifier, images, labels, options = {}) =>
      pgd(classifier, images, labels, { ...options, ...checked }),
  };
}

/** A point within epsilon of each image, and within the box. */
async function randomPoint(images: Tensor, epsilon: number, options: RandomOptions): Promise<Tensor> {
  const samples = images.shape[0] as number;
  const elements = images.shape.slice(1).reduce((product, size) => product * size, 1);
  const {
    seed = 0,
    restart = 0,
    sampleIndices = Int32Array.from({ length: samples }, (_, i) => i),
  } = options;
  if (sampleIndices.length !== samples) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected ${samples} sampleIndices, one per image, but received ${sampleIndices.length}`,
    );
  }
  const start = await uniformStart(sampleIndices, elements, epsilon, { seed, name, restart });
  return tensorScope(() => images.add(Tensor.from(start, images.shape).to(images.dtype)).clamp(0, 1));
}

function checkParameters(parameters: PgdParameters): Required<PgdParameters> & { randomStart: boolean } {
  const { steps, stepSize, randomStart = true } = parameters;
  const epsilon = checkEpsilon(parameters.epsilon);
  if (!Number.isSafeInteger(steps) || steps < 1) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected an integer from 1 for steps but received ${String(steps)}`,
    );
  }
  if (!Number.isFinite(stepSize) || stepSize <= 0) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected a finite number above 0 for stepSize (in pixel units: 2/255, not 2) but received ${String(stepSize)}`,
    );
  }
  return { epsilon, steps, stepSize, randomStart };
}
