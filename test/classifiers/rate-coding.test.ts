import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fgsm } from "../../src/attacks/fgsm";
import { gradientPass } from "../../src/attacks/gradient";
import { pgd } from "../../src/attacks/pgd";
import { demo } from "../../src/demo";
import type { CallOptions } from "../../src/classifiers/classifier";
import { exportTorchScript } from "../../src/classifiers/export-torchscript";
import { loadClassifier, type LoadOptions } from "../../src/classifiers/load-classifier";
import { crossEntropy } from "../../src/classifiers/loss";
import { SpikingClassifier, type SpikingOptions } from "../../src/classifiers/spiking-classifier";
import { openDataset } from "../../src/datasets/open-dataset";
import { evaluate } from "../../src/evaluation/evaluate";
import type { Network } from "../../src/networks/network";
import { fnv1a, philox4x32, seedWords } from "../../src/tensor/philox";
import { Tensor } from "../../src/tensor/tensor";
import { numbers, smallNetwork, smallResidualNetwork, smallWeights, weightReader } from "./small-networks";

const timesteps = 6;
const statistics = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };

async function create(network: Network, options: Partial<SpikingOptions> = {}): Promise<SpikingClassifier> {
  const weights = weightReader(smallWeights(network, 3), options.dtype ?? "float32");
  return await SpikingClassifier.create(network, weights, {
    ...{ ...statistics, timesteps, coding: "rate", codingSeed: 11 },
    ...options,
  });
}

function imagesOf(network: Network, count: number): Float32Array {
  const next = numbers(5);
  return Float32Array.from({ length: count * network.inputShape.reduce((a, b) => a * b, 1) }, () => next());
}

test("what the first layer receives is sign(x) [u <= |x|] with the numbers of Philox", async () => {
  const network = smallNetwork([3, 3, 3], [3], [2], 1);
  const identity: Record<string, { data: Float32Array; shape: number[] }> = {
    "0.weight": { data: Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1), shape: [3, 3, 1, 1] },
    // Without leak a membrane is the input of its step; a threshold above 1 keeps it from firing.
    "0.threshold": { data: Float32Array.of(2), shape: [] },
    "0.leak": { data: Float32Array.of(0), shape: [] },
    "1.weight": { data: new Float32Array(54).fill(1), shape: [2, 27] },
  };
  const seed = 2n ** 40n + 9n;
  using classifier = await SpikingClassifier.create(
    network,
    { read: (key) => identity[key]! },
    { ...statistics, timesteps, coding: "rate", codingSeed: seed },
  );
  const pixels = imagesOf(network, 2);
  pixels.set([0.5, 0, 1]);
  using images = Tensor.from(pixels, [2, 3, 3, 3]);
  const [trace] = await classifier.trace(images, { sampleIndices: [70_000, 4], pass: 5 });
  const membranes = await trace!.membrane!.data();

  const [low, high] = seedWords(seed);
  const block = new Uint32Array(4);
  const expected: number[] = [];
  for (let t = 0; t < timesteps; t++) {
    for (const [image, sample] of [70_000, 4].entries()) {
      for (let i = 0; i < 27; i++) {
        philox4x32(sample, t * 7 + Math.floor(i / 4), fnv1a("rate-coding"), 5, low, high, block);
        const u = (block[i % 4]! >>> 8) * 2 ** -24;
        const x = Math.fround(Math.fround(pixels[27 * image + i]! - 0.5) / 0.5);
        expected.push(u <= Math.abs(x) ? Math.sign(x) : 0);
      }
    }
  }
  expect(Array.from(membranes, (value) => value + 0)).toEqual(expected);
  expect(new Set(expected)).toEqual(new Set([-1, 0, 1]));
  // Pixels of 0.5, 0 and 1 are 0, -1 and 1: never, always, always.
  for (let t = 0; t < timesteps; t++) expect([...membranes.slice(54 * t, 54 * t + 3)]).toEqual([0, -1, 1]);
});

describe.each([
  ["a VGG", smallNetwork([3, 8, 8], [6, "A", 5, "A"], [9, 4])],
  ["shortcuts and a stride", smallResidualNetwork([3, 10, 10], 5, 7)],
] as const)("%s", (_, network) => {
  const count = 11;
  const images = imagesOf(network, count);
  const size = images.length / count;
  const run = async (
    classifier: SpikingClassifier,
    from: number,
    to: number,
    options: CallOptions = {},
  ): Promise<{ gradient: number[]; logits: number[] }> => {
    using batch = Tensor.from(images.slice(from * size, to * size), [to - from, ...network.inputShape]);
    const labels = Int32Array.from({ length: to - from }, (_, i) => (from + i) % network.classes);
    const sampleIndices = Array.from({ length: to - from }, (_, i) => from + i);
    const result = await classifier.inputGradient(batch, crossEntropy(labels), { sampleIndices, ...options });
    return { gradient: [...(await result.gradient.data())], logits: [...(await result.logits.data())] };
  };

  test("a sample's result depends on its index, the pass and the seed, and not on its neighbours", async () => {
    using classifier = await create(network);
    const whole = await run(classifier, 0, count);
    const parts = [await run(classifier, 0, 3), await run(classifier, 3, 4), await run(classifier, 4, count)];
    expect(parts.flatMap(({ gradient }) => gradient)).toEqual(whole.gradient);
    expect(parts.flatMap(({ logits }) => logits)).toEqual(whole.logits);
    expect(whole.gradient.some((value) => value !== 0)).toBe(true);
    // Without indices they are 0, 1, 2, ..., and the pass is 0.
    expect(await run(classifier, 0, count, { sampleIndices: undefined, pass: 0 })).toEqual(whole);
    expect(await run(classifier, 0, count, { pass: 1 })).not.toEqual(whole);
    expect((await run(classifier, 3, 4, { sampleIndices: [30] })).logits).not.toEqual(parts[1]?.logits);
    using other = await create(network, { codingSeed: 12 });
    expect(await run(other, 0, count)).not.toEqual(whole);
  });

  test("over many time steps the logits come near those of the image itself", async () => {
    // Without leaks and surrogates, sums of a rate are about those of its mean, |x| being at most 1.
    using rate = await create(network, { timesteps: 400 });
    using direct = await create(network, { timesteps: 400, coding: "direct" });
    const [a, b] = [await run(rate, 0, 3), await run(direct, 0, 3)];
    const correlation = pearson(a.logits, b.logits);
    expect(correlation).toBeGreaterThan(0.9);
    expect(a.logits).not.toEqual(b.logits);
  });
});

test("what cannot be is refused", async () => {
  const network = smallNetwork([3, 4, 4], [6], [4]);
  await expect(create(network, { kernels: { engine: "multistep" } })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringContaining("rate coding") as string,
  });
  await expect(create(network, { coding: "poisson" as "rate" })).rejects.toThrow("Expected direct or rate");
  using classifier = await create(network);
  expect(classifier.identity).toMatchObject({ coding: "rate", codingSeed: "11", kernels: "plain" });
  using images = Tensor.from(imagesOf(network, 2), [2, 3, 4, 4]);
  for (const options of [
    { sampleIndices: [1] },
    { sampleIndices: [1, -1] },
    { sampleIndices: [0.5, 1] },
    { pass: -1 },
    { pass: 2 ** 32 },
    { pass: NaN },
  ]) {
    await expect(classifier.logits(images, options)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  }
});

test("attacks tell the sample and a pass of its own for each gradient", async () => {
  const network = smallNetwork([3, 4, 4], [6], [4]);
  using classifier = await create(network);
  const seen: CallOptions[] = [];
  const watched = {
    ...{ name: "watched", classes: 4, inputShape: network.inputShape, device: "cpu" as const },
    logits: async (images: Tensor) => await classifier.logits(images),
    inputGradient: async (...[images, loss, options]: Parameters<SpikingClassifier["inputGradient"]>) => {
      seen.push(options ?? {});
      return await classifier.inputGradient(images, loss, options);
    },
    [Symbol.dispose]: () => undefined,
  };
  using images = Tensor.from(imagesOf(network, 2), [2, 3, 4, 4]);
  const sampleIndices = [8, 9];
  await fgsm(watched, images, [0, 1], { epsilon: 0.1, sampleIndices });
  await pgd(watched, images, [0, 1], {
    ...{ epsilon: 0.1, steps: 2, stepSize: 0.1, restart: 1, seed: 0, sampleIndices },
  });
  expect(seen.map(({ pass }) => pass)).toEqual([1, gradientPass(1, 1), gradientPass(2, 1)]);
  expect(seen.every((options) => options.sampleIndices === sampleIndices)).toBe(true);
});

test("a network file that says rate coding brings mean and std, which only those given with the coding replace", async () => {
  const folder = mkdtempSync(join(tmpdir(), "hire-snn-rate-"));
  try {
    const path = join(folder, "model.pt");
    copyFileSync(demo.target, path);
    const described = readFileSync(demo.target.replace(/\.pt$/, ".network.json"), "utf8");
    const own = { coding: "rate", mean: [0.4, 0.4, 0.4], std: [0.6, 0.6, 0.6] } as const;
    writeFileSync(
      join(folder, "model.network.json"),
      JSON.stringify({ ...(JSON.parse(described) as object), ...own }),
    );
    const given = { mean: [0.1, 0.2, 0.3], std: [1, 2, 3] };
    const loaded = async (options: LoadOptions): Promise<unknown> => {
      using classifier = await loadClassifier(path, options);
      const { coding, mean, std } = classifier as SpikingClassifier;
      return { coding, mean, std };
    };
    expect(await loaded({})).toEqual(own);
    expect(await loaded(given)).toEqual(own);
    expect(await loaded({ ...given, coding: "direct" })).toEqual({ ...own, coding: "direct" });
    expect(await loaded({ ...given, coding: "rate" })).toEqual({ ...given, coding: "rate" });
    await expect(exportTorchScript(path, join(folder, "model.ts.pt"))).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("rate coding") as string,
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("the demo's network: attacks work on it, and figures do not depend on the batch size", async () => {
  const dataset = await openDataset("shapes", { data: demo.data });
  using target = await loadClassifier(demo.target, {
    timesteps: 24,
    mean: dataset.mean,
    std: dataset.std,
    coding: "rate",
  });
  const run = async (batchSize: number) =>
    (await evaluate({ target, dataset, attacks: "hire", samples: 24, batchSize, seed: 3 })).results;
  const results = await run(8);
  await expect(run(5)).resolves.toEqual(results);
  await dataset.close();
  const [clean, attackedFgsm, attackedPgd] = results.map(({ correct }) => correct);
  expect(clean).toBeGreaterThan(16);
  expect(attackedFgsm).toBeLessThan(clean! / 2);
  expect(attackedPgd).toBeLessThan(clean! / 2);
  expect(results.every(({ zeroGradient }) => zeroGradient.steps === 0)).toBe(true);
});

function pearson(a: readonly number[], b: readonly number[]): number {
  const mean = (values: readonly number[]): number => values.reduce((x, y) => x + y, 0) / values.length;
  const [ma, mb] = [mean(a), mean(b)];
  const product = (x: readonly number[], mx: number, y: readonly number[], my: number): number =>
    x.reduce((sum, value, i) => sum + (value - mx) * (y[i]! - my), 0);
  return product(a, ma, b, mb) / Math.sqrt(product(a, ma, a, ma) * product(b, mb, b, mb));
}
