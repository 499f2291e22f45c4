import { crossEntropy } from "../../src/classifiers/loss";
import { Tensor } from "../../src/tensor/tensor";
import { describeUnless } from "../support/skip";
import { fixtures, load, missing, named, networkNames, readArray, report } from "./fixtures";
import { SpikeDifferences } from "./spikes";

/** Jest looks a global up anew each time. */
const { abs } = Math;

const atOnce = 8;

jest.setTimeout(20 * 60_000);

describeUnless(missing, "in float64 beside the reference", () => {
  test.each(networkNames)("(c) %s: spikes, logits, losses and gradients", compareNetwork);
});

async function compareNetwork(name: string): Promise<void> {
  const fixture = named(fixtures().double, name);
  using classifier = await load(fixture, { dtype: "float64" });
  const images = fixture.pieces.reduce((sum, piece) => sum + piece.count, 0);
  const differences = new SpikeDifferences(images, classifier.countedLayers.length, fixture.timesteps);
  const worst = { logits: 0, losses: 0, gradient: 0 };
  for (const piece of fixture.pieces) {
    const pixels = Float64Array.from(readArray(piece.images, "float32"));
    const labels = readArray(piece.labels, "int32");
    const references = piece.layers.map(({ spikes }) => readArray(spikes, "uint8"));
    const reference = {
      logits: readArray(piece.logits, "float64"),
      losses: readArray(piece.losses, "float64"),
      gradient: readArray(piece.gradient, "float64"),
    };
    for (let begin = 0; begin < piece.count; begin += atOnce) {
      const count = Math.min(atOnce, piece.count - begin);
      const perImage = pixels.length / piece.count;
      using batch = Tensor.from(pixels.slice(begin * perImage, (begin + count) * perImage), [
        count,
        ...piece.images.shape.slice(1),
      ]);
      for (const [index, trace] of (await classifier.trace(batch)).entries()) {
        trace.membrane?.dispose();
        const spikes = await trace.output.data();
        trace.output.dispose();
        const { neurons, kind } = trace.layer;
        const part = new Uint8Array(fixture.timesteps * count * neurons);
        for (let step = 0; step < fixture.timesteps; step++) {
          const from = (step * piece.count + begin) * neurons;
          part.set(
            (references[index] as Uint8Array).subarray(from, from + count * neurons),
            step * count * neurons,
          );
        }
        const pool = kind === "average-pool";
        differences.add(index, part, spikes, { first: piece.first + begin, count, pool });
      }
      const result = await classifier.inputGradient(
        batch,
        crossEntropy(labels.subarray(begin, begin + count)),
      );
      for (const key of ["logits", "losses", "gradient"] as const) {
        const all = reference[key];
        const size = all.length / piece.count;
        const ours = await result[key].data();
        result[key].dispose();
        for (let i = 0; i < ours.length; i++) {
          const difference = abs((ours[i] as number) - (all[begin * size + i] as number));
          if (!(difference <= worst[key])) worst[key] = difference;
        }
      }
    }
  }
  report(
    `${fixture.name} (c), ${images} images: spikes that differ: ${differences.total}; largest difference of logits ` +
      `${worst.logits.toExponential(1)}, losses ${worst.losses.toExponential(1)}, gradients ${worst.gradient.toExponential(1)}`,
  );
  expect(differences.imagesWithout()).toHaveLength(images);
  expect(worst.logits).toBeLessThan(1e-10);
  expect(worst.losses).toBeLessThan(1e-10);
  expect(worst.gradient).toBeLessThan(1e-9);
}
