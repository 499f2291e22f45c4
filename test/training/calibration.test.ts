import type { NetworkWeights } from "../../src/classifiers/native-layers";
import { getThreads, setThreads } from "../../src/native/addon";
import type { ConvLayer, Network } from "../../src/networks/network";
import { Tensor } from "../../src/tensor/tensor";
import { resolveSettings, type ResolvedSettings } from "../../src/training/options";
import { TrainedNetwork } from "../../src/training/trained-network";
import {
  numbers,
  smallNetwork,
  smallResidualNetwork,
  smallWeights,
  weightReader,
} from "../classifiers/small-networks";
import type { PlainWeights } from "../support/step-by-step";

/** Jest looks a global up anew each time. */
const { round } = Math;

let settings: ResolvedSettings;
beforeAll(async () => {
  settings = await resolveSettings(
    { method: "traditional", network: "small", timesteps: 4, dropout: 0.2 },
    { datasetName: "npz", images: 100 },
  );
});

interface Search {
  readonly images?: number;
  readonly timesteps?: number;
  readonly percentile?: number;
  readonly dtype?: "float32" | "float64";
  readonly plain?: boolean;
  readonly statistics?: { readonly mean: readonly number[]; readonly std: readonly number[] };
}

const halves = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };

/** Thresholds found on images whose pixels are multiples of 1/32. */
async function thresholds(
  network: Network,
  weights: PlainWeights,
  { images = 6, timesteps = 7, percentile = 0.98, ...search }: Search = {},
): Promise<readonly number[]> {
  const { dtype = "float32", plain = false, statistics = halves } = search;
  const size = network.inputShape.reduce((product, length) => product * length, 1);
  const next = numbers(11);
  const pixels = Float64Array.from({ length: images * size }, () => round(32 * next()) / 32);
  const reader: NetworkWeights = weightReader(weights, dtype);
  using trained = await TrainedNetwork.create({
    ...{ network, ...statistics, seed: 1, dtype, weights: reader, settings: { ...settings, plain } },
  });
  using batch = Tensor.from(dtype === "float64" ? pixels : Float32Array.from(pixels), [
    images,
    ...network.inputShape,
  ]);
  const options = { timesteps, fraction: percentile, scale: 1, blockThreshold: 0.4 };
  return [...(await trained.native.calibrate(Tensor.toNative(batch), new Int32Array(images), options))];
}

/** Weights rounded to multiples of 1/256: every sum and membrane is then exact in float32, in any order. */
function exactWeights(network: Network, seed: number): PlainWeights {
  const { tensors } = smallWeights(network, seed);
  for (const { data } of tensors.values()) {
    data.forEach((weight, i) => (data[i] = round(256 * weight) / 256));
  }
  return { tensors };
}

/** Two convolutions and a pool before the first block. */
function residualNetwork(): Network {
  const { layers, ...network } = smallNetwork([3, 9, 7], [5, 66, "A", 66, 66], [4]);
  const [, , pool, , last] = layers;
  if (!pool || last?.kind !== "conv") throw new Error("Expected other layers");
  const shortcut: ConvLayer = { ...last, shortcut: { from: pool.name, inputShape: pool.outputShape } };
  return { ...network, layers: layers.with(4, shortcut) };
}

const networks: [string, Network][] = [
  ["of the family", smallNetwork([3, 8, 8], [5, "A", 6, 6, "A"], [9, 4])],
  ["with odd maps and a wider kernel", smallNetwork([3, 7, 9], [4, 5, "A"], [70, 4], 5)],
  [
    "with more channels than a block and a chunk hold",
    smallNetwork([3, 7, 6], [70, "A", 130, 65], [200, 67, 4]),
  ],
  ["of linear layers behind one map", smallNetwork([3, 5, 3], [3], [130, 4])],
  ["with one pool behind another", smallNetwork([3, 9, 8], [70, "A", "A", 6], [4])],
  ["residual", smallResidualNetwork([3, 9, 8], 5, 6)],
  ["residual with a longer stem", residualNetwork()],
];

/**
 * A spike that another rounding moves changes all sums behind it, so that thresholds of deep layers agree to no fixed number of digits.
 * Where nothing is rounded they are the same.
 */
describe("thresholds are those of dense layers in float64, in all bits where sums are exact", () => {
  describe.each([
    [1, 0.98],
    [7, 0.98],
    [7, 0.8],
    [7, 1],
    [40, 0.997],
  ])("%d time steps, percentile %d", (timesteps, percentile) => {
    test.each(networks)("%s", async (_, network) => {
      const weights = exactWeights(network, 3);
      const search = { timesteps, percentile };
      const expected = await thresholds(network, weights, { ...search, dtype: "float64" });
      for (const threshold of expected) expect(threshold).toBeGreaterThan(0);
      expect(await thresholds(network, weights, search)).toEqual(expected);
      expect(await thresholds(network, weights, { ...search, plain: true })).toEqual(expected);
    });
  });

  test("of a batch that is computed in parts", async () => {
    const network = smallNetwork([3, 32, 32], [64, 8, "A"], [4]);
    const weights = exactWeights(network, 3);
    // Sums of 26 MB an image: parts of five.
    const search = { images: 11, timesteps: 100, percentile: 0.997 };
    const expected = await thresholds(network, weights, { ...search, dtype: "float64" });
    expect(await thresholds(network, weights, search)).toEqual(expected);
  });
});

/** Few enough neurons and time steps that no spike lies within a rounding error of its threshold. */
test.each(networks)("weights of all digits: the same to float32's rounding, %s", async (_, network) => {
  const weights = smallWeights(network, 3);
  const statistics = { mean: [0.4, 0.5, 0.6], std: [0.2, 0.25, 0.3] };
  const expected = await thresholds(network, weights, { statistics, dtype: "float64" });
  for (const plain of [false, true]) {
    const found = await thresholds(network, weights, { statistics, plain });
    expect(found).toHaveLength(expected.length);
    found.forEach((value, layer) => expect(value / (expected[layer] as number)).toBeCloseTo(1, 5));
  }
});

test("thresholds do not depend on the number of threads, in any bit", async () => {
  const network = smallNetwork([3, 12, 12], [70, "A", 80, 6, "A"], [130, 4]);
  const weights = smallWeights(network, 5);
  const before = getThreads();
  const found: (readonly number[])[] = [];
  for (const threads of [1, 2, 3]) {
    setThreads(threads);
    found.push(await thresholds(network, weights, { images: 20, timesteps: 20, percentile: 0.997 }));
  }
  setThreads(before);
  expect(found[1]).toEqual(found[0]);
  expect(found[2]).toEqual(found[0]);
});

test("a layer whose sums are below 0 is named", async () => {
  const network = smallNetwork([3, 5, 3], [3], [130, 4]);
  const weights = exactWeights(network, 3);
  const failures = await Promise.all(
    [false, true].map((plain) =>
      thresholds(network, weights, { plain, percentile: 0.5 }).catch((error: unknown) => error),
    ),
  );
  for (const failure of failures) {
    expect(failure).toMatchObject({
      code: "TRAINING_FAILED",
      message: expect.stringMatching(/above 0 for layer0 but found -0\.\d/),
    });
  }
  expect(failures[0]).toHaveProperty("message", (failures[1] as Error).message);
});

test("a search ends when it is asked to", async () => {
  const network = smallNetwork([3, 32, 32], [64, 64, 64], [4]);
  const weights = weightReader(smallWeights(network, 3), "float32");
  using trained = await TrainedNetwork.create({ network, ...halves, seed: 1, weights, settings });
  const images = 64;
  const pixels = new Float32Array(images * 3 * 1024).fill(0.75);
  const controller = new AbortController();
  const samples = new Uint32Array(images);
  const calibration = { ...settings.calibration, timesteps: 100 };
  const started = performance.now();
  const search = trained.calibrate(pixels, samples, calibration, controller.signal);
  setTimeout(() => {
    controller.abort(new Error("enough"));
  }, 200);
  await expect(search).rejects.toThrow("enough");
  expect(performance.now() - started).toBeLessThan(5000);
});
