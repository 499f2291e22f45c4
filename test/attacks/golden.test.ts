import { fgsm } from "../../src/attacks/fgsm";
import { pgd } from "../../src/attacks/pgd";
import type { Tensor } from "../../src/tensor/tensor";
import { goldenClassifier, goldenImages } from "./closed-form";

/**
 * Sums over the pixels of each adversarial image, from a reference in float64 PyTorch (golden/attack_vectors.json:
 * `fgsm|Linf` and `pgd|Linf|alpha=.0125|10|no-rand`, epsilon 0.05).
 */
const golden = {
  labels: [4, 4, 4, 4, 4, 5],
  logits: [
    0.4819926554648094, -1.4661158572398016, -1.1979306193557422, 1.105459633548564, 1.5809014392379652,
    -0.43124412788283295,
  ],
  fgsm: [
    24.646675124113, 23.761573443519, 22.832586233815, 22.787074488167, 23.883802581989, 24.944144571533,
  ],
  pgd: [24.921675124113, 23.724073443519, 22.632586233815, 22.862074488167, 23.733802581989, 24.869144571533],
};

async function sums(images: Tensor): Promise<number[]> {
  const data = Array.from(await images.data());
  return Array.from({ length: 6 }, (_, n) => data.slice(n * 48, (n + 1) * 48).reduce((a, b) => a + b, 0));
}

function expectWithin1e9(actual: readonly number[], expected: readonly number[]): void {
  const largest = Math.max(...actual.map((value, i) => Math.abs(value - (expected[i] as number))));
  expect(largest).toBeLessThan(1e-9);
}

test("the model is the reference's", async () => {
  using images = goldenImages();
  using logits = await goldenClassifier().logits(images);
  expectWithin1e9(Array.from((await logits.data()).subarray(0, 6)), golden.logits);
});

test("FGSM", async () => {
  using images = goldenImages();
  const result = await fgsm(goldenClassifier(), images, golden.labels, { epsilon: 0.05 });
  expectWithin1e9(await sums(result.images), golden.fgsm);
  expect(result.images.dtype).toBe("float64");
  result.images.dispose();
});

test("PGD", async () => {
  using images = goldenImages();
  const result = await pgd(goldenClassifier(), images, golden.labels, {
    ...{ epsilon: 0.05, steps: 10, stepSize: 0.0125, randomStart: false },
  });
  expectWithin1e9(await sums(result.images), golden.pgd);
  result.images.dispose();
});
