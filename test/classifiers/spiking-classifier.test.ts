import { crossEntropy } from "../../src/classifiers/loss";
import { SpikingClassifier } from "../../src/classifiers/spiking-classifier";
import { resolveSurrogate, surrogateShapes, type SurrogateOptions } from "../../src/networks/surrogate";
import { setThreads } from "../../src/native/addon";
import type { Network } from "../../src/networks/network";
import { Tensor } from "../../src/tensor/tensor";
import { runStepByStep, type PlainWeights } from "../support/step-by-step";
import { numbers, smallNetwork, smallResidualNetwork, smallWeights, weightReader } from "./small-networks";

const options = { timesteps: 5, mean: [0.49, 0.48, 0.45], std: [0.2, 0.21, 0.22] };
const small = smallNetwork([3, 8, 8], [6, "A", 5, "A"], [9, 4]);

async function create(
  network: Network,
  weights: PlainWeights,
  dtype: "float32" | "float64" = "float64",
): Promise<SpikingClassifier> {
  return SpikingClassifier.create(network, weightReader(weights, dtype), { ...options, dtype });
}

function randomImages(network: Network, count: number, seed: number): Float64Array {
  const next = numbers(seed);
  const pixels = network.inputShape.reduce((a, b) => a * b, 1);
  return Float64Array.from({ length: count * pixels }, () => next());
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let largest = 0;
  for (let i = 0; i < a.length; i++)
    largest = Math.max(largest, Math.abs((a[i] as number) - (b[i] as number)));
  return largest;
}

describe("against the same network written out step by step in double precision", () => {
  test.each([
    ["two pools and a hidden linear layer", small],
    ["no pool", smallNetwork([3, 5, 5], [4, 4], [6, 3])],
    ["a map whose last row and column no pool reads", smallNetwork([3, 7, 7], [5, "A"], [6, 3])],
    ["kernel 5", smallNetwork([3, 9, 9], [4, "A", 3], [5, 3], 5)],
    ["a linear first layer", smallNetwork([3, 2, 2], [], [7, 5, 3])],
    ["no hidden linear layer", smallNetwork([3, 6, 6], [5, "A"], [3])],
    ["shortcuts and a stride", smallResidualNetwork([3, 14, 14], 5, 7)],
  ])("%s: spikes equal, logits and gradients to 1e-12", async (_, network) => {
    const weights = smallWeights(network, 3);
    using classifier = await create(network, weights);
    const count = 11; // more than one micro-batch, and the last one not full
    const pixels = network.inputShape.reduce((a, b) => a * b, 1);
    const images = randomImages(network, count, 5);
    const labels = Int32Array.from({ length: count }, (__, i) => i % network.classes);
    using batch = Tensor.from(images, [count, ...network.inputShape]);

    const { gradient, losses, logits } = await classifier.inputGradient(batch, crossEntropy(labels));
    const { spikes, logits: plainLogits } = await classifier.logitsAndSpikes(batch);
    const traces = await classifier.trace(batch);
    const [gradients, lossValues, logitValues, evaluated] = await Promise.all(
      [gradient, losses, logits, plainLogits].map(async (tensor) => tensor.data()),
    );
    const outputs = await Promise.all(traces.map(async (trace) => trace.output.data()));
    expect(evaluated).toEqual(logitValues);

    let fired = 0;
    for (let n = 0; n < count; n++) {
      const expected = runStepByStep(
        network,
        weights,
        images.slice(n * pixels, (n + 1) * pixels),
        labels[n] as number,
        options,
      );
      const row = <T extends ArrayLike<number> & { slice(a: number, b: number): T }>(
        values: T,
        length: number,
      ) => values.slice(n * length, (n + 1) * length);
      expect(
        largestDifference(row(logitValues as Float64Array, network.classes), expected.logits),
      ).toBeLessThan(1e-12);
      expect(largestDifference(row(gradients as Float64Array, pixels), expected.gradient)).toBeLessThan(
        1e-12,
      );
      expect(Math.abs((lossValues?.[n] as number) - expected.loss)).toBeLessThan(1e-12);
      classifier.countedLayers.forEach((layer, l) => {
        for (let t = 0; t < options.timesteps; t++) {
          const output = expected.outputs[l]?.[t] as Float64Array;
          const from = (t * count + n) * layer.neurons;
          expect(outputs[l]?.slice(from, from + layer.neurons)).toEqual(output);
          const active = output.filter((value) => value !== 0).length;
          expect(spikes.counts[(n * spikes.layers.length + l) * options.timesteps + t]).toBe(active);
          fired += active;
        }
      });
    }
    // A silent network would agree with anything.
    expect(fired).toBeGreaterThan(count * options.timesteps);
    for (const tensor of [gradient, losses, logits, plainLogits, ...traces.map((trace) => trace.output)]) {
      tensor.dispose();
    }
  });
});

describe("surrogate gradients", () => {
  const { abs, max } = Math;
  const count = 3;
  const images = randomImages(small, count, 17);
  const labels = [1, 3, 0];
  const weights = smallWeights(small, 3);

  async function gradientOf(surrogate?: SurrogateOptions): Promise<ArrayLike<number>> {
    using classifier = await SpikingClassifier.create(small, weightReader(weights, "float64"), {
      ...options,
      dtype: "float64",
      surrogate,
    });
    using batch = Tensor.from(images, [count, 3, 8, 8]);
    const result = await classifier.inputGradient(batch, crossEntropy(labels));
    return await result.gradient.data();
  }

  test.each(
    surrogateShapes.flatMap((shape) =>
      (["threshold", "absolute"] as const).flatMap((scale) => [
        { shape, scale },
        { shape, scale, a: 0.8 },
      ]),
    ),
  )("$shape on the scale $scale, a = $a", async (surrogate) => {
    const gradient = await gradientOf(surrogate);
    const expected = labels.flatMap((label, n) => [
      ...runStepByStep(
        small,
        weights,
        images.slice(n * 192, (n + 1) * 192),
        label,
        options,
        resolveSurrogate(surrogate),
      ).gradient,
    ]);
    const largest = expected.reduce((most, value) => max(most, abs(value)), 0);
    expect(largest).toBeGreaterThan(0);
    expect(largestDifference(gradient, expected)).toBeLessThan(1e-12 * max(1, largest));
  });

  test("that of the original unless named", async () => {
    expect(resolveSurrogate()).toEqual({ shape: "piecewise-linear", a: 0.3, scale: "threshold" });
    expect(await gradientOf()).toEqual(await gradientOf({ shape: "piecewise-linear" }));
  });

  test.each([
    [{ shape: "step" }, "Expected one of piecewise-linear, triangle"],
    [{ shape: "toString" }, "Expected one of piecewise-linear, triangle"],
    [{ shape: "atan", scale: "relative" }, "Expected threshold or absolute"],
    [{ shape: "atan", a: 0 }, "Expected a number above 0"],
    [{ shape: "atan", a: NaN }, "Expected a number above 0"],
  ])("%j is refused", (surrogate, message) => {
    expect(() => resolveSurrogate(surrogate as SurrogateOptions)).toThrow(message);
  });
});

test("a layer traced on its own input gives what it gave in the network", async () => {
  using classifier = await create(small, smallWeights(small, 3), "float32");
  const count = 3;
  using batch = Tensor.from(Float32Array.from(randomImages(small, count, 9)), [count, 3, 8, 8]);
  const traces = await classifier.trace(batch);
  for (let l = 1; l < traces.length; l++) {
    const alone = await classifier.traceLayer(`layer${l}`, traces[l - 1]?.output as Tensor);
    expect(await alone.output.data()).toEqual(await traces[l]?.output.data());
    expect(await alone.membrane?.data()).toEqual(await traces[l]?.membrane?.data());
    expect(alone.current === undefined).toBe(alone.layer.kind === "average-pool");
  }
});

test("a layer with a shortcut is traced on its two inputs, and on no fewer or more", async () => {
  const network = smallResidualNetwork([3, 14, 14], 5, 7);
  using classifier = await create(network, smallWeights(network, 3), "float64");
  const count = 9; // more than a micro-batch
  using batch = Tensor.from(Float64Array.from(randomImages(network, count, 9)), [count, 3, 14, 14]);
  const traces = await classifier.trace(batch);
  for (const [layer, from] of [
    [3, 1],
    [5, 3],
  ] as const) {
    const input = traces[layer - 1]?.output as Tensor;
    const shortcut = traces[from]?.output as Tensor;
    const alone = await classifier.traceLayer(`layer${layer}`, input, { shortcut });
    expect(await alone.output.data()).toEqual(await traces[layer]?.output.data());
    expect(await alone.membrane?.data()).toEqual(await traces[layer]?.membrane?.data());
    await expect(classifier.traceLayer(`layer${layer}`, input)).rejects.toThrow(
      `Expected also the input of the shortcut into layer${layer} but received none`,
    );
    await expect(classifier.traceLayer(`layer${layer}`, input, { shortcut: batch })).rejects.toThrow(
      `for the shortcut into layer${layer}`,
    );
  }
  await expect(
    classifier.traceLayer("layer2", traces[1]?.output as Tensor, { shortcut: traces[1]?.output }),
  ).rejects.toThrow("Expected one input of layer2 but received also one of a shortcut");
});

test("float32 parameters are used as float32: agreement with double precision to its rounding", async () => {
  const weights = smallWeights(small, 3);
  using single = await create(small, weights, "float32");
  using double = await create(small, weights, "float64");
  const images = randomImages(small, 4, 21);
  using singles = Tensor.from(Float32Array.from(images), [4, 3, 8, 8]);
  using doubles = Tensor.from(images, [4, 3, 8, 8]);
  const a = await (await single.logits(singles)).data();
  const b = await (await double.logits(doubles)).data();
  expect([single.dtype, a.BYTES_PER_ELEMENT]).toEqual(["float32", 4]);
  expect(largestDifference(a, b)).toBeLessThan(1e-4);
});

test("a sample's bits depend neither on its neighbours, nor on its place in the batch, nor on the threads", async () => {
  using classifier = await create(small, smallWeights(small, 3), "float32");
  const count = 19;
  const pixels = 3 * 8 * 8;
  const images = Float32Array.from(randomImages(small, count, 33));
  const labels = Int32Array.from({ length: count }, (_, i) => i % 4);
  const run = async (from: number, to: number): Promise<Float32Array[]> => {
    using batch = Tensor.from(images.slice(from * pixels, to * pixels), [to - from, 3, 8, 8]);
    const result = await classifier.inputGradient(batch, crossEntropy(labels.slice(from, to)));
    return await Promise.all(
      [result.gradient, result.logits, result.losses].map(async (t) => (await t.data()) as Float32Array),
    );
  };
  const whole = await run(0, count);
  for (const threads of [1, 2]) {
    setThreads(threads);
    for (const size of [1, 2, 7, 8, 13]) {
      const parts: Float32Array[][] = [];
      for (let from = 0; from < count; from += size)
        parts.push(await run(from, Math.min(count, from + size)));
      whole.forEach((expected, i) => {
        const joined = parts.flatMap((part) => [...(part[i] as Float32Array)]);
        expect(Float32Array.from(joined)).toEqual(expected);
      });
    }
  }
});

test("frees the weights that a reader has no more use for, and leaves a caller's own alone", async () => {
  const reader = weightReader(smallWeights(small, 3), "float32");
  const read: ArrayLike<number>[] = [];
  const recorded = {
    read(key: string) {
      const tensor = reader.read(key);
      if (tensor.shape.length > 0) read.push(tensor.data);
      return tensor;
    },
  };
  using batch = Tensor.from(Float32Array.from(randomImages(small, 2, 5)), [2, ...small.inputShape]);
  const logitsOf = async (disposable: boolean): Promise<ArrayLike<number>> => {
    read.length = 0;
    using classifier = await SpikingClassifier.create(small, { ...recorded, disposable }, options);
    using logits = await classifier.logits(batch);
    return await logits.data();
  };

  const kept = await logitsOf(false);
  expect(read.map(({ length }) => length)).toEqual(expect.not.arrayContaining([0]));
  expect(await logitsOf(true)).toEqual(kept);
  expect(read.length).toBeGreaterThan(0);
  expect(read.every(({ length }) => length === 0)).toBe(true);
});

describe("what is refused", () => {
  test.each([
    ["another image size", [2, 3, 8, 7]],
    ["an empty batch", [0, 3, 8, 8]],
    ["no batch dimension", [3, 8, 8]],
  ])("%s", async (_, shape) => {
    using classifier = await create(small, smallWeights(small, 3));
    using images = Tensor.from(new Float64Array(shape.reduce((a, b) => a * b, 1)), shape);
    await expect(classifier.logits(images)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("Expected images [N, 3, 8, 8]") as string,
    });
  });

  test("images of another dtype", async () => {
    using classifier = await create(small, smallWeights(small, 3));
    using images = Tensor.from(new Float32Array(192), [1, 3, 8, 8]);
    await expect(classifier.logits(images)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test.each([
    ["too few labels", [0]],
    ["a negative label", [0, -1]],
    ["a label beyond the classes", [0, 4]],
  ])("%s", async (_, labels) => {
    using classifier = await create(small, smallWeights(small, 3));
    using images = Tensor.from(new Float64Array(2 * 192), [2, 3, 8, 8]);
    await expect(classifier.inputGradient(images, crossEntropy(labels))).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
  });

  test.each([
    ["a threshold of 0", "0.threshold", Float64Array.of(0), []],
    ["a threshold that is not a number", "0.threshold", Float64Array.of(NaN), []],
    ["a threshold per channel", "0.threshold", new Float64Array(6).fill(1), [6]],
    ["an infinite leak", "2.leak", Float64Array.of(Infinity), []],
    ["a weight of another shape", "0.weight", new Float64Array(6 * 27), [27, 6]],
  ])("%s", async (_, key, data, shape) => {
    const { tensors } = smallWeights(small, 3);
    const weights = { tensors: new Map(tensors).set(key, { data, shape }) };
    await expect(create(small, weights)).rejects.toMatchObject({ code: "NETWORK_INVALID" });
  });

  test("no time step", async () => {
    await expect(
      SpikingClassifier.create(small, weightReader(smallWeights(small, 3), "float64"), {
        ...options,
        timesteps: 0,
      }),
    ).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("use after disposal", async () => {
    const classifier = await create(small, smallWeights(small, 3));
    classifier.dispose();
    classifier.dispose();
    using images = Tensor.from(new Float64Array(192), [1, 3, 8, 8]);
    await expect(classifier.logits(images)).rejects.toMatchObject({ code: "DISPOSED" });
  });
});

describe("stopping", () => {
  test("a signal that was raised before rejects with its reason", async () => {
    using classifier = await create(small, smallWeights(small, 3));
    using images = Tensor.from(new Float64Array(192), [1, 3, 8, 8]);
    const reason = new Error("enough");
    await expect(classifier.logits(images, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  test("a signal raised meanwhile stops the work with its reason, and the classifier goes on working", async () => {
    const network = smallNetwork([3, 32, 32], [32, 32, 32], [16, 4]);
    using classifier = await create(network, smallWeights(network, 3));
    using images = Tensor.from(randomImages(network, 256, 1), [256, 3, 32, 32]);
    const controller = new AbortController();
    const reason = new Error("enough");
    const work = classifier.inputGradient(images, crossEntropy(new Int32Array(256)), {
      signal: controller.signal,
    });
    setTimeout(() => {
      controller.abort(reason);
    }, 20);
    await expect(work).rejects.toBe(reason);
    using one = images.rows(0, 1);
    expect(await (await classifier.logits(one)).data()).toHaveLength(4);
  });
});
