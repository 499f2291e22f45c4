import { fgsm } from "../../src/attacks/fgsm";
import { AnnClassifier } from "../../src/classifiers/ann-classifier";
import { loadClassifier } from "../../src/classifiers/load-classifier";
import { crossEntropy } from "../../src/classifiers/loss";
import { Tensor } from "../../src/tensor/tensor";
import { describeUnless } from "../support/skip";
import { fixturePath, fixtures, missing, named, readArray, report } from "./fixtures";

jest.setTimeout(5 * 60_000);

const epsilon = 0.031;

describeUnless(missing, "ANN twins beside PyTorch", () => {
  describe.each(["vgg5-ann", "resnet12-ann"])("%s", (name) => {
    test.each([
      ["float32", "", 2e-5],
      ["float64", "64", 1e-12],
    ] as const)(
      "%s: logits, losses, gradients and outputs that are not zero",
      async (dtype, suffix, limit) => {
        const fixture = named(fixtures().ann, name);
        const { mean, std } = fixture;
        using classifier = await loadClassifier(fixturePath(fixture.checkpoint), { mean, std, dtype });
        expect(classifier).toBeInstanceOf(AnnClassifier);
        expect(classifier.network.name).toBe(fixture.network);
        using images = Tensor.from(readArray(fixture.images, "float32"), fixture.images.shape);
        using wide = images.to(dtype);
        const labels = readArray(fixture.labels, "int32");
        const result = await classifier.inputGradient(wide, crossEntropy(labels));
        const differences: Record<string, number> = {};
        for (const what of ["logits", "losses", "gradient"] as const) {
          const expected = readArray(fixture[`${what}${suffix}`], dtype);
          const found = await result[what].data();
          differences[what] = largestDifference(found, expected) / largestOf(expected);
          expect(differences[what]).toBeLessThan(limit);
        }
        expect(result.spikes?.layers.map((layer) => layer.name)).toEqual(fixture.layers);
        const active = readArray(fixture.active, "int32");
        const counted = result.spikes?.counts ?? [];
        // Sums of different order differ on which side of zero they are here and there.
        const off = largestDifference(counted, active);
        expect(off).toBeLessThanOrEqual(dtype === "float32" ? 3 : 1);
        report(
          `${name} ${dtype}: relative differences ${JSON.stringify(differences)}, counts by at most ${off}`,
        );
        if (dtype === "float64") return;
        const { images: adversarial } = await fgsm(classifier, images, labels, { epsilon });
        const expected = readArray(fixture.fgsm, "float32");
        const values = Array.from((await adversarial.data()) as Float32Array);
        const differing = values.reduce((sum, value, i) => sum + (value === expected[i] ? 0 : 1), 0);
        expect(differing).toBeLessThanOrEqual(1e-3 * expected.length);
      },
    );
  });
});

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a).toHaveLength(b.length);
  let largest = 0;
  for (let i = 0; i < a.length; i++)
    largest = Math.max(largest, Math.abs((a[i] as number) - (b[i] as number)));
  return largest;
}

function largestOf(values: ArrayLike<number>): number {
  return Array.from(values).reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
}
