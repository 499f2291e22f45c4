import { fnv1a, seedWords } from "../../src/attacks/random-start";
import type { Network } from "../../src/networks/network";
import { resolveSurrogate, surrogateShapes } from "../../src/networks/surrogate";
import { philox4x32 } from "../../src/tensor/philox";
import { getThreads, setThreads } from "../../src/native/addon";
import { Tensor, type TensorData } from "../../src/tensor/tensor";
import { resolveSettings, type ResolvedSettings } from "../../src/training/options";
import { dropoutLayers, TrainedNetwork, trainedTensors } from "../../src/training/trained-network";
import {
  numbers,
  smallNetwork,
  smallResidualNetwork,
  smallWeights,
  weightReader,
} from "../classifiers/small-networks";
import { runStepByStep } from "../support/step-by-step";

const timesteps = 4;
const seed = 2 ** 40 + 5;
const rate = 0.3;
let settings: ResolvedSettings;
beforeAll(async () => {
  settings = await resolveSettings(
    { method: "traditional", network: "small", timesteps, dropout: rate },
    { datasetName: "npz", images: 100 },
  );
});
function direct(): void {
  settings = { ...settings, coding: "direct" };
}
const statistics = { mean: [0.4, 0.5, 0.6], std: [0.2, 0.25, 0.3] };

const networks: [string, Network][] = [
  ["of the family", smallNetwork([3, 8, 8], [5, "A", 6, 6, "A"], [9, 4])],
  ["with odd maps and a wider kernel", smallNetwork([3, 7, 9], [4, 5, "A"], [70, 4], 5)],
  ["residual", smallResidualNetwork([3, 9, 8], 5, 6)],
];

/** The masks as their documentation has them: by Philox, keyed by the seed, counted by sample, neuron, layer and pass. */
function masksOf(network: Network, sample: number, pass: number): Map<string, Float64Array> {
  const [low, high] = seedWords(seed);
  const masks = new Map<string, Float64Array>();
  dropoutLayers(network.layers).forEach((dropped, index) => {
    const layer = network.layers[index];
    if (!dropped || !layer) return;
    const neurons = layer.outputShape.reduce((product, size) => product * size, 1);
    const block = new Uint32Array(4);
    const mask = Float64Array.from({ length: neurons }, (_, neuron) => {
      philox4x32(sample, Math.floor(neuron / 4), fnv1a(`dropout/${layer.name}`), pass, low, high, block);
      return ((block[neuron % 4] as number) >>> 8) * 2 ** -24 >= rate ? 1 / (1 - rate) : 0;
    });
    masks.set(layer.name, mask);
  });
  return masks;
}

describe("gradients of a batch beside those written out step by step, with dropout", () => {
  test.each(networks)("float64, %s", async (_, network) => {
    expect(await largestDifference(network, "float64")).toBeLessThan(1e-12);
  });

  test.each(networks)("float64 under rate coding, %s", async (_, network) => {
    settings = { ...settings, coding: "rate" };
    expect(await largestDifference(network, "float64").finally(direct)).toBeLessThan(1e-12);
  });

  describe.each([true, false])("with a surrogate, on dense layers alone: %s", (plain) => {
    test.each(
      surrogateShapes.flatMap((shape) =>
        (["threshold", "absolute"] as const).map((scale) => resolveSurrogate({ shape, scale })),
      ),
    )("$shape, $scale", async (surrogate) => {
      const before = settings;
      settings = { ...settings, surrogate };
      const [, network] = networks[0]!;
      const found = await largestDifference(network, plain ? "float64" : "float32", plain).finally(() => {
        settings = before;
      });
      expect(found).toBeLessThan(plain ? 1e-12 : 1e-3);
    });
  });

  describe.each([true, false])("float32, on dense layers alone: %s", (plain) => {
    test.each(networks)("%s", async (_, network) => {
      // Of the largest value of each tensor; the sums of the scalars cancel.
      expect(await largestDifference(network, "float32", plain)).toBeLessThan(1e-3);
    });
  });
});

/** Rate coding as its documentation has it: of one image at each time step. */
function codesOf(image: Float64Array, sample: number, pass: number): Float64Array[] {
  const [low, high] = seedWords(seed);
  const block = new Uint32Array(4);
  const pixels = image.length / statistics.mean.length;
  return Array.from({ length: timesteps }, (_, t) =>
    image.map((pixel, i) => {
      const channel = Math.floor(i / pixels);
      const x = (pixel - (statistics.mean[channel] ?? NaN)) / (statistics.std[channel] ?? NaN);
      const place = t * Math.ceil(image.length / 4) + Math.floor(i / 4);
      philox4x32(sample, place, fnv1a("rate-coding"), pass, low, high, block);
      return ((block[i % 4] as number) >>> 8) * 2 ** -24 <= Math.abs(x) ? Math.sign(x) : 0;
    }),
  );
}

describe("a mini-batch under rate coding", () => {
  const network = smallNetwork([3, 8, 8], [5, "A", 6], [9, 4]);
  const size = 192;
  const next = numbers(6);
  const pixels = Float32Array.from({ length: 6 * size }, next);
  const labels = Int32Array.of(0, 1, 2, 3, 0, 1);

  async function losses(
    method: "traditional" | "hire",
    epoch: number,
    { number = 0, order = [0, 1, 2, 3, 4, 5] } = {},
  ): Promise<number[]> {
    const weights = weightReader(smallWeights(network, 5), "float32");
    // Without dropout, whose masks go by the mini-batch's number, and without noise and updates: only draws are left to differ.
    const hire = { ...settings.hire, noiseStep: 0 };
    const own: ResolvedSettings = { ...settings, method, hire, coding: "rate", dropout: 0 };
    using trained = await TrainedNetwork.create({ network, ...statistics, settings: own, seed, weights });
    expect(trained.native.kernels).toBe("plain");
    const images = new Float32Array(pixels.length);
    order.forEach((image, place) => {
      images.set(pixels.subarray(image * size, (image + 1) * size), place * size);
    });
    const ordered = Int32Array.from(order, (image) => labels[image] as number);
    const done = await trained.step(images, ordered, Uint32Array.from(order), number, epoch, 0);
    return [...done.losses];
  }

  test("sees other draws in each epoch and period, whatever its number and order", async () => {
    const first = await losses("traditional", 1);
    expect(await losses("traditional", 1, { number: 7 })).toEqual(first);
    expect(await losses("traditional", 2)).not.toEqual(first);
    const turned = await losses("traditional", 1, { order: [3, 5, 0, 4, 2, 1] });
    expect(turned[0]).toBeCloseTo(first[0] as number, 5);
    const periods = await losses("hire", 1);
    expect(periods).toHaveLength(2);
    expect(periods[0]).not.toBe(periods[1]);
  });
});

test("the multi-step engine's bits do not depend on the number of threads", async () => {
  const network = smallNetwork([3, 12, 12], [70, "A", 80, 6, "A"], [130, 4]);
  const weights = weightReader(smallWeights(network, 5), "float32");
  const next = numbers(4);
  using images = Tensor.from(Float32Array.from({ length: 5 * 432 }, next), [5, 3, 12, 12]);
  const gradients: TensorData[][] = [];
  const before = getThreads();
  for (const threads of [1, 2, 3]) {
    setThreads(threads);
    using trained = await TrainedNetwork.create({ network, ...statistics, settings, seed, weights });
    const labels = Int32Array.of(0, 1, 2, 3, 0);
    await trained.native.pass(Tensor.toNative(images), labels, labels, 1, false, seedWords(seed));
    const names = trainedTensors(network, false).map(({ name }) => `${name}/gradient`);
    gradients.push(await Promise.all(names.map(async (name) => (await trained.read(name)).data)));
  }
  setThreads(before);
  expect(gradients[1]).toEqual(gradients[0]);
  expect(gradients[2]).toEqual(gradients[0]);
});

async function largestDifference(
  network: Network,
  dtype: "float32" | "float64",
  plain = true,
): Promise<number> {
  const weights = smallWeights(network, 3);
  const reader = weightReader(weights, dtype);
  using trained = await TrainedNetwork.create({
    ...{ network, ...statistics, seed, weights: reader, dtype },
    settings: { ...settings, plain },
  });
  expect(trained.native.kernels === "plain").toBe(plain);
  const samples = Int32Array.of(7, 1234, -1); // the last one is 2^32 - 1
  const labels = Int32Array.of(0, 3, 2);
  const pass = 9;
  const draw = 4;
  const size = network.inputShape.reduce((product, length) => product * length, 1);
  const next = numbers(8);
  const pixels = Float64Array.from({ length: labels.length * size }, () => Math.fround(next()));
  using images = Tensor.from(dtype === "float32" ? Float32Array.from(pixels) : pixels, [
    3,
    ...network.inputShape,
  ]);
  const done = await trained.native.pass(
    Tensor.toNative(images),
    labels,
    samples,
    pass,
    true,
    seedWords(seed),
    draw,
  );

  const expected = new Map<string, Float64Array>();
  const add = (key: string, values: Float64Array): void => {
    const sum = expected.get(key) ?? new Float64Array(values.length);
    expected.set(
      key,
      sum.map((value, i) => value + (values[i] as number) / labels.length),
    );
  };
  const logits: number[] = [];
  const imageGradient: number[] = [];
  labels.forEach((label, n) => {
    const masks = masksOf(network, (samples[n] as number) >>> 0, pass);
    const image = pixels.slice(n * size, (n + 1) * size);
    const codes = codesOf(image, (samples[n] as number) >>> 0, draw);
    const options = { timesteps, ...statistics, masks, ...(settings.coding === "rate" && { codes }) };
    const run = runStepByStep(network, weights, image, label, options, settings.surrogate);
    for (const [key, values] of run.gradients) add(key, values);
    logits.push(...run.logits);
    imageGradient.push(...run.gradient.map((value) => value / labels.length));
  });
  let worst = 0;
  const compare = (found: ArrayLike<number>, wanted: ArrayLike<number>): void => {
    expect(found).toHaveLength(wanted.length);
    const largest = Math.max(...Array.from(wanted, Math.abs));
    expect(largest).toBeGreaterThan(0);
    for (let i = 0; i < wanted.length; i++) {
      worst = Math.max(worst, Math.abs((found[i] as number) - (wanted[i] as number)) / largest);
    }
  };
  compare(await done.logits.data(), logits);
  compare((await done.imageGradient?.data()) ?? [], imageGradient);
  for (const { key, name } of trainedTensors(network, false)) {
    const { data } = await trained.read(`${name}/gradient`);
    compare(data, expected.get(key) ?? []);
  }
  return worst;
}
