import type { Classifier } from "../classifiers/classifier";
import { crossEntropy, type Loss } from "../classifiers/loss";
import { HireSnnError } from "../errors";
import { tensorScope } from "../tensor/scope";
import type { Tensor } from "../tensor/tensor";

/**
 * Checks what every attack is given.
 *
 * @returns the loss that the attack ascends: cross-entropy with the true labels
 * @throws HireSnnError INVALID_ARGUMENT if shapes do not fit the classifier, a pixel is outside [0, 1] or not a number, or a label
 *   is none of the classes
 */
export async function checkAttackInputs(
  classifier: Classifier,
  images: Tensor,
  labels: ArrayLike<number>,
): Promise<Loss> {
  const [samples, ...imageShape] = images.shape;
  if (images.dtype === "int32") {
    throw new HireSnnError("INVALID_ARGUMENT", "Expected float32 or float64 for images but received int32");
  }
  if (images.shape.length !== 4 || imageShape.some((size, i) => size !== classifier.inputShape[i])) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected [N, ${classifier.inputShape.join(", ")}] for the shape of images, as ${classifier.name} takes them, ` +
        `but received [${images.shape.join(", ")}]`,
    );
  }
  if (labels.length !== samples) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected ${samples} labels, one per image, but received ${labels.length}`,
    );
  }
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i] as number;
    if (!Number.isInteger(label) || label < 0 || label >= classifier.classes) {
      throw new HireSnnError(
        "INVALID_ARGUMENT",
        `Expected an integer from 0 to ${classifier.classes - 1} for labels[${i}] but received ${label}`,
      );
    }
  }
  await checkPixels(images, "INVALID_ARGUMENT", "images");
  return crossEntropy(labels);
}

/**
 * Checks that all pixels are numbers from 0 to 1.
 *
 * @param images [N, ...]
 * @param code of the error: whose fault a pixel outside would be
 * @param name what the images are called in the message
 */
export async function checkPixels(
  images: Tensor,
  code: "INVALID_ARGUMENT" | "INVALID_RESULT",
  name: string,
): Promise<void> {
  using outside = tensorScope(() => images.clamp(0, 1).subtract(images).abs().maxPerSample());
  const distances = await outside.data();
  const sample = distances.findIndex((distance) => !(distance === 0));
  if (sample < 0) return;
  const distance = distances[sample] as number;
  const found = Number.isNaN(distance) ? "one that is not a number" : `one that is ${distance} outside`;
  throw new HireSnnError(
    code,
    `Expected pixels from 0 to 1 for ${name} but received ${found}, in sample ${sample} of the batch; ` +
      "a classifier normalises by itself, so images are given as they are, divided by 255",
  );
}

/** @throws HireSnnError INVALID_ARGUMENT unless `epsilon` is finite and at least 0 */
export function checkEpsilon(epsilon: number): number {
  if (Number.isFinite(epsilon) && epsilon >= 0) return epsilon;
  throw new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected a finite number from 0 for epsilon (in pixel units: 8/255, not 8) but received ${String(epsilon)}`,
  );
}
