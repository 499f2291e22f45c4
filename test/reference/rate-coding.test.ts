import { crossEntropy } from "../../src/classifiers/loss";
import { Tensor } from "../../src/tensor/tensor";
import { describeUnless } from "../support/skip";
import { fixtures, load, missing, named, readArray, report } from "./fixtures";

jest.setTimeout(5 * 60_000);

describeUnless(missing, "rate coding beside PyTorch", () => {
  test("the same code, logits and straight-through gradient, where plain autograd's gradient is zero", async () => {
    const fixture = named(fixtures().rate, "vgg5-rate");
    using classifier = await load(fixture, { dtype: "float64", coding: "rate", codingSeed: fixture.seed });
    const pixels = Float64Array.from(readArray(fixture.images, "float32"));
    using images = Tensor.from(pixels, fixture.images.shape);
    const sampleIndices = Array.from({ length: fixture.count }, (_, i) => fixture.first + i);
    const result = await classifier.inputGradient(images, crossEntropy(readArray(fixture.labels, "int32")), {
      ...{ sampleIndices, pass: fixture.pass },
    });
    const differences: Record<string, number> = {};
    for (const what of ["logits", "losses", "gradient"] as const) {
      const expected = readArray(fixture[what], "float64");
      const found = await result[what].data();
      expect(found).toHaveLength(expected.length);
      let largest = 0;
      for (let i = 0; i < found.length; i++) {
        largest = Math.max(largest, Math.abs((found[i] as number) - (expected[i] as number)));
      }
      differences[what] = largest;
      expect(largest).toBeLessThan(1e-9);
    }
    const gradient = Array.from(await result.gradient.data());
    const magnitude = Math.max(...gradient.map(Math.abs));
    report(
      `vgg5-rate, float64: largest differences ${JSON.stringify(differences)}; largest magnitude of the gradient: ours ` +
        `${magnitude.toExponential(1)}, autograd's without the straight-through estimate ${fixture.naiveGradient}`,
    );
    expect(fixture.naiveGradient).toBe(0);
    expect(magnitude).toBeGreaterThan(1e-6);
  });
});
