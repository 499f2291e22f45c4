import { createHash } from "node:crypto";
import { fgsm } from "../../src/attacks/fgsm";
import { pgd } from "../../src/attacks/pgd";
import type { CallOptions, Classifier, Device, InputGradient } from "../../src/classifiers/classifier";
import type { Loss } from "../../src/classifiers/loss";
import { openDataset } from "../../src/datasets/open-dataset";
import { evaluate } from "../../src/evaluation/evaluate";
import { Tensor } from "../../src/tensor/tensor";
import { describeUnless } from "../support/skip";
import { fixtures, full, load, missing, named, report } from "./fixtures";

/** Images that may be classified otherwise: the order of sums flips a spike here and there. */
const tolerance = 3;

/** The large network takes minutes on both sides. */
const counted = full ? ["vgg5", "vgg11"] : ["vgg5"];

jest.setTimeout(60 * 60_000);

describeUnless(missing, "accuracies beside the reference", () => {
  test.each(counted)("(d) %s, white box", compareWhiteBox);
  test("vgg5, black box", compareBlackBox);
});

async function compareWhiteBox(name: string): Promise<void> {
  const fixture = named(fixtures().networks, name);
  using target = await load(fixture);
  const dataset = await openDataset(fixture.dataset, { data: process.env["HIRE_SNN_REFERENCE_DATA"] });
  const samples = fixture.correct.none?.length ?? 0;
  const { results } = await evaluate({
    target,
    dataset,
    attacks: "hire",
    samples,
    seed: fixture.attack.seed,
  });
  await dataset.close();
  const pairs = (["none", "fgsm", "pgd"] as const).map((key, index) => ({
    key,
    ours: results[index]?.correct ?? NaN,
    reference: sum(fixture.correct[key] ?? []),
  }));
  report(
    `${fixture.name} (d), correct of ${samples}, ours and the reference: ` +
      pairs.map(({ key, ours, reference }) => `${label[key]} ${ours} and ${reference}`).join(", "),
  );
  expect(results.map(({ n }) => n)).toEqual([samples, samples, samples]);
  for (const { ours, reference } of pairs) expect(Math.abs(ours - reference)).toBeLessThanOrEqual(tolerance);
}

async function compareBlackBox(): Promise<void> {
  const fixture = named(fixtures().blackBox, "vgg5-source");
  const targetFixture = named(fixtures().networks, fixture.target);
  const { epsilon, steps, stepSize, seed } = targetFixture.attack;
  using source = await load(fixture);
  using classifier = await load(targetFixture);
  const target = new Recording(classifier);
  const dataset = await openDataset(fixture.dataset, { data: process.env["HIRE_SNN_REFERENCE_DATA"] });
  const samples = fixture.correct.fgsm.length;
  const batchSize = 32;
  const { results } = await evaluate({ target, source, dataset, attacks: "hire", samples, batchSize, seed });

  const black = results.filter(({ access }) => access === "black").map(({ correct }) => correct);
  const reference = [sum(fixture.correct.fgsm), sum(fixture.correct.pgd)];
  report(
    `${fixture.target} black box, correct of ${samples}, ours and the reference: fgsm ${black[0]} and ${reference[0]}, ` +
      `pgd ${black[1]} and ${reference[1]}`,
  );
  for (const [index, correct] of black.entries()) {
    expect(Math.abs(correct - (reference[index] as number))).toBeLessThanOrEqual(tolerance);
  }

  // What the target was shown are, to the last bit, the white-box images of the source.
  const white: string[] = [];
  for (let start = 0; start < samples; start += batchSize) {
    const batch = await dataset.read(start, Math.min(batchSize, samples - start));
    const sampleIndices = Int32Array.from(batch.labels, (_, image) => start + image);
    using images = Tensor.from(batch.images, [batch.labels.length, ...dataset.imageShape]);
    const attacked = [
      await fgsm(source, images, batch.labels, { epsilon }),
      await pgd(source, images, batch.labels, { epsilon, steps, stepSize, seed, sampleIndices }),
    ];
    for (const result of attacked) {
      white.push(await digest(result.images));
      result.images.dispose();
    }
  }
  await dataset.close();
  expect(new Set(white).size).toBe(white.length);
  expect(white.filter((image) => !target.classified.has(image))).toEqual([]);
}

const label = { none: "clean", fgsm: "fgsm", pgd: "pgd" } as const;

/** Remembers the batches that it was asked to classify. */
class Recording implements Classifier {
  readonly classified = new Set<string>();
  readonly name: string;
  readonly classes: number;
  readonly inputShape: readonly [number, number, number];
  readonly device: Device;

  constructor(private readonly classifier: Classifier) {
    this.name = classifier.name;
    this.classes = classifier.classes;
    this.inputShape = classifier.inputShape;
    this.device = classifier.device;
  }

  async logits(images: Tensor, options?: CallOptions): Promise<Tensor> {
    this.classified.add(await digest(images));
    return this.classifier.logits(images, options);
  }

  inputGradient(images: Tensor, loss: Loss, options?: CallOptions): Promise<InputGradient> {
    return this.classifier.inputGradient(images, loss, options);
  }

  [Symbol.dispose](): void {
    // The one who made the classifier disposes it.
  }
}

async function digest(images: Tensor): Promise<string> {
  const values = await images.data();
  return createHash("sha256")
    .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    .digest("hex");
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
