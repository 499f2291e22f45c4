import { crossEntropy } from "../../src/classifiers/loss";
import { SpikingClassifier, type KernelOptions } from "../../src/classifiers/spiking-classifier";
import { surrogateShapes, type SurrogateOptions } from "../../src/networks/surrogate";
import { setThreads } from "../../src/native/addon";
import type { Network } from "../../src/networks/network";
import { Tensor } from "../../src/tensor/tensor";
import { numbers, smallNetwork, smallResidualNetwork, smallWeights, weightReader } from "./small-networks";

/** Jest looks a global up anew each time, which would cost more than the comparisons. */
const { abs, max } = Math;

const statistics = { mean: [0.49, 0.48, 0.45], std: [0.2, 0.21, 0.22] };

const networks: readonly [string, Network][] = [
  ["channels of less than a block", smallNetwork([3, 8, 8], [6, "A", 5, "A"], [9, 4])],
  [
    "channels of one block and a bit, of two chunks and a bit",
    smallNetwork([3, 9, 9], [65, "A", 130, 257], [70, 4]),
  ],
  ["whole blocks and a linear layer behind a pool", smallNetwork([3, 8, 8], [64, "A", 128, "A"], [192, 4])],
  ["maps that no tile fits", smallNetwork([3, 7, 11], [20, 33, "A", 40], [9, 4])],
  ["a map of one pixel", smallNetwork([3, 2, 2], [16, "A", 24], [9, 4])],
  ["kernel 5", smallNetwork([3, 9, 9], [12, "A", 20, 8], [5, 4], 5)],
  ["kernel 1", smallNetwork([3, 6, 6], [12, 70], [5, 4], 1)],
  ["a linear first layer", smallNetwork([3, 3, 3], [], [70, 5, 4])],
  ["no hidden linear layer", smallNetwork([3, 6, 6], [5, "A"], [4])],
  ["shortcuts and a stride", smallResidualNetwork([3, 14, 14], 70, 90)],
  ["shortcuts on odd maps", smallResidualNetwork([3, 11, 13], 9, 65)],
];

const paths: readonly KernelOptions[] = [
  { instructionSet: "baseline" },
  { instructionSet: "avx2" },
  { instructionSet: "avx512" },
  { instructionSet: "amx" },
  { forward: "levels" },
  { forward: "events" },
  { backward: "digits" },
  { backward: "products" },
  { backward: "winograd" },
];

interface Settings {
  readonly network: Network;
  readonly timesteps?: number;
  readonly count?: number;
  readonly surrogate?: SurrogateOptions;
}

function imagesOf(network: Network, count: number): Float32Array {
  const next = numbers(5);
  const pixels = network.inputShape.reduce((a, b) => a * b, 1);
  return Float32Array.from({ length: count * pixels }, () => next());
}

async function create({ network, timesteps = 5, surrogate }: Settings, kernels: KernelOptions) {
  const weights = weightReader(smallWeights(network, 3), "float32");
  return await SpikingClassifier.create(network, weights, { ...statistics, timesteps, surrogate, kernels });
}

/** Everything that a classifier says of a batch. */
async function everything(settings: Settings, kernels: KernelOptions) {
  const { network, count = 11 } = settings;
  using classifier = await create(settings, { engine: "multistep", ...kernels });
  using batch = Tensor.from(imagesOf(network, count), [count, ...network.inputShape]);
  const labels = Int32Array.from({ length: count }, (_, i) => i % network.classes);
  const { spikes, logits: evaluated } = await classifier.logitsAndSpikes(batch);
  const result = await classifier.inputGradient(batch, crossEntropy(labels));
  const again = await classifier.inputGradient(batch, crossEntropy(labels));
  const gradient = await result.gradient.data();
  // Buffers are used again: a second pass must not see the first.
  expect(sameBits(await again.gradient.data(), gradient)).toBe(true);
  const logits = await result.logits.data();
  expect(sameBits(await evaluated.data(), logits)).toBe(true);
  const traces = await classifier.trace(batch);
  const membranes = await Promise.all(traces.map(async ({ membrane }) => (await membrane?.data()) ?? []));
  const outputs = await Promise.all(traces.map(async ({ output }) => output.data()));
  return { gradient, logits, losses: await result.losses.data(), counts: spikes.counts, membranes, outputs };
}

/** Jest compares typed arrays number by number, which takes longer than making them. */
function sameBits(a: ArrayBufferView, b: ArrayBufferView): boolean {
  return bytesOf(a).equals(bytesOf(b));
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** The largest difference, as a share of the largest value. */
function relative(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    difference = max(difference, abs((a[i] as number) - (b[i] as number)));
    largest = max(largest, abs(b[i] as number));
  }
  return largest === 0 ? difference : difference / largest;
}

async function supported(kernels: KernelOptions, settings: Settings): Promise<boolean> {
  if (kernels.instructionSet === undefined) return true;
  try {
    (await create(settings, { engine: "multistep", ...kernels })).dispose();
    return true;
  } catch (error) {
    // What the machine does not have is refused by name, never replaced.
    expect((error as Error).message).toContain("Expected an instruction set of this machine");
    return false;
  }
}

const plainResults = new Map<string, Awaited<ReturnType<typeof everything>>>();

async function compare(settings: Settings, kernels: KernelOptions): Promise<void> {
  if (!(await supported(kernels, settings))) return;
  const ours = await everything(settings, kernels);
  const key = JSON.stringify(settings);
  const plain = plainResults.get(key) ?? (await everything(settings, { engine: "plain" }));
  plainResults.set(key, plain);
  ours.outputs.forEach((output, i) => {
    expect(sameBits(output, plain.outputs[i] as Float32Array)).toBe(true);
  });
  expect(sameBits(ours.counts, plain.counts)).toBe(true);
  expect(plain.counts.some((count) => count > 0)).toBe(true);
  expect(relative(ours.logits, plain.logits)).toBeLessThan(1e-5);
  expect(relative(ours.losses, plain.losses)).toBeLessThan(1e-5);
  expect(plain.gradient.some((value) => value !== 0)).toBe(true);
  // So steep a derivative makes more of the rounding of the membranes.
  const steep = settings.surrogate?.shape === "fast-sigmoid" ? 10 : 1;
  expect(relative(ours.gradient, plain.gradient)).toBeLessThan(2e-5 * steep);
  ours.membranes.forEach((membrane, i) => {
    expect(relative(membrane, plain.membranes[i] as ArrayLike<number>)).toBeLessThan(1e-5);
  });
}

describe("the multi-step engine beside the plain one", () => {
  describe.each(networks)("%s", (_, network) => {
    test.each(paths)("%j", async (kernels) => {
      await compare({ network }, kernels);
    });
    test.each([
      { timesteps: 1, count: 3 },
      { timesteps: 13, count: 1 },
      { timesteps: 5, count: 34 },
    ])("%j", async (sizes) => {
      // A surrogate without bounds: so few neurons might all be beyond those of another.
      const settings = { network, ...sizes, surrogate: { shape: "atan" } } as const;
      await compare(settings, { forward: "events", backward: "winograd" });
      await compare(settings, { forward: "levels", backward: "digits" });
    });
  });

  const [, plainNetwork] = networks[0] as [string, Network];
  test.each(
    surrogateShapes.flatMap((shape) => [
      { shape, scale: "threshold" } as const,
      { shape, scale: "absolute", a: 0.7 } as const,
    ]),
  )("surrogate $shape on the scale $scale", async (surrogate) => {
    await compare({ network: plainNetwork, surrogate }, {});
  });

  test("layers traced on their own inputs", async () => {
    for (const [, network] of networks) {
      using ours = await create({ network }, { engine: "multistep" });
      using plain = await create({ network }, { engine: "plain" });
      using batch = Tensor.from(imagesOf(network, 3), [3, ...network.inputShape]);
      const traces = await plain.trace(batch);
      for (const [index, { layer }] of traces.entries()) {
        const planned = network.layers[index];
        const from = planned?.kind === "conv" ? planned.shortcut?.from : undefined;
        const shortcut = traces.find((trace) => trace.layer.name === from)?.output;
        const input =
          index === 0
            ? Tensor.from(imagesOf(network, 15), [5, 3, ...network.inputShape])
            : (traces[index - 1]?.output as Tensor);
        const [a, b] = await Promise.all([
          ours.traceLayer(layer.name, input, { shortcut }),
          plain.traceLayer(layer.name, input, { shortcut }),
        ]);
        expect(await a.output.data()).toEqual(await b.output.data());
        for (const what of ["current", "membrane"] as const) {
          expect(a[what] === undefined).toBe(b[what] === undefined);
          if (a[what] && b[what])
            expect(relative(await a[what].data(), await b[what].data())).toBeLessThan(1e-5);
        }
      }
    }
  });
});

test("a sample's bits depend neither on its neighbours, nor on its place in the batch, nor on the threads", async () => {
  const network = smallNetwork([3, 10, 10], [20, "A", 70], [66, 4]);
  const choices: KernelOptions[] = [
    {},
    { forward: "events", backward: "winograd" },
    { backward: "products" },
    { forward: "levels", backward: "digits" },
  ];
  for (const kernels of choices) {
    if (!(await supported(kernels, { network }))) continue;
    using classifier = await create({ network }, { engine: "multistep", ...kernels });
    const count = 70; // more than two micro-batches
    const images = imagesOf(network, count);
    const labels = Int32Array.from({ length: count }, (_, i) => i % 4);
    const run = async (from: number, to: number): Promise<Float32Array[]> => {
      using batch = Tensor.from(images.slice(from * 300, to * 300), [to - from, 3, 10, 10]);
      const result = await classifier.inputGradient(batch, crossEntropy(labels.slice(from, to)));
      return await Promise.all(
        [result.gradient, result.logits, result.losses].map(async (t) => (await t.data()) as Float32Array),
      );
    };
    const whole = await run(0, count);
    for (const threads of [1, 2, 3]) {
      setThreads(threads);
      for (const size of [1, 7, 32, 64]) {
        const parts: Float32Array[][] = [];
        for (let from = 0; from < count; from += size)
          parts.push(await run(from, Math.min(count, from + size)));
        whole.forEach((expected, i) => {
          expect(Float32Array.from(parts.flatMap((part) => [...(part[i] as Float32Array)]))).toEqual(
            expected,
          );
        });
      }
    }
  }
});

test("two classifiers computed at the same time give what each gives alone", async () => {
  const [a, b] = [
    smallNetwork([3, 16, 16], [32, "A", 70], [66, 4]),
    smallResidualNetwork([3, 16, 16], 20, 66),
  ];
  const alone = [await everything({ network: a }, {}), await everything({ network: b }, {})];
  const together = await Promise.all([everything({ network: a }, {}), everything({ network: b }, {})]);
  expect(together).toEqual(alone);
});

test.each([
  { forward: "events", backward: "winograd" },
  { forward: "levels", backward: "digits" },
] as const)("AVX2, AVX-512 and AMX give the same bits with %j", async (kernels) => {
  const settings = { network: smallNetwork([3, 8, 8], [64, "A", 70], [66, 4]) };
  const results: Awaited<ReturnType<typeof everything>>[] = [];
  for (const instructionSet of ["avx2", "avx512", "amx"] as const) {
    const options = { instructionSet, ...kernels };
    if (await supported(options, settings)) results.push(await everything(settings, options));
  }
  for (const result of results) expect(result).toEqual(results[0]);
});

test("images without spikes, and images of one batch that begin to fire at different steps", async () => {
  const network = smallNetwork([3, 8, 8], [64, "A", 70, 20], [66, 40, 4]);
  const [, ...dimensions] = [0, ...network.inputShape];
  const size = 192;
  const images = imagesOf(network, 7);
  // The normalised value of a grey image is what silences it; half of another's contrast delays it.
  const grey = [0.49, 0.48, 0.45];
  for (const image of [0, 3, 6]) {
    for (let i = 0; i < size; i++) images[image * size + i] = grey[Math.floor(i / 64)] as number;
  }
  for (const image of [1, 4]) {
    for (let i = 0; i < size; i++) {
      const middle = grey[Math.floor(i / 64)] as number;
      images[image * size + i] = middle + ((images[image * size + i] as number) - middle) / 4;
    }
  }
  const labels = Int32Array.from({ length: 7 }, (_, i) => i % 4);
  const run = async (kernels: KernelOptions) => {
    using classifier = await create({ network }, kernels);
    using batch = Tensor.from(images, [7, ...dimensions]);
    const result = await classifier.inputGradient(batch, crossEntropy(labels));
    const { spikes } = await classifier.logitsAndSpikes(batch);
    return {
      counts: spikes.counts,
      logits: await result.logits.data(),
      gradient: await result.gradient.data(),
    };
  };
  const plain = await run({ engine: "plain" });
  for (const kernels of [
    { forward: "levels", backward: "digits" },
    { forward: "events", backward: "winograd" },
  ] as const) {
    const ours = await run({ engine: "multistep", ...kernels });
    expect(sameBits(ours.counts, plain.counts)).toBe(true);
    expect(relative(ours.logits, plain.logits)).toBeLessThan(1e-5);
    expect(relative(ours.gradient, plain.gradient)).toBeLessThan(2e-5);
  }
  const steps = 5;
  const layers = network.layers.length - 1;
  const first = [...plain.counts.keys()].filter((i) => i % (layers * steps) === 0);
  const silent = first.map((i) => plain.counts.slice(i, i + layers * steps).every((count) => count === 0));
  expect(silent.filter(Boolean).length).toBe(3);
});

test.each([1e3, 1e5, 1e7, 1e30])(
  "layers with one weight of -%d in each output are not computed in fixed point",
  async (outlier) => {
    const network = smallNetwork([3, 8, 8], [64, 64], [70, 4]);
    const weights = smallWeights(network, 3);
    for (const key of ["1.weight", "2.weight"]) {
      const { data, shape } = weights.tensors.get(key) as { data: Float64Array; shape: readonly number[] };
      const [outputs, inputs] = shape as [number, number];
      const row = data.length / outputs;
      // Also one of each input, or of some: the gradient's sums are over outputs.
      for (let output = 0; output < outputs; output++)
        data[output * row + (output * row) / inputs] = -outlier;
    }
    const options = { ...statistics, timesteps: 5 };
    using classifier = await SpikingClassifier.create(network, weightReader(weights, "float32"), {
      ...options,
      kernels: { forward: "levels", backward: "digits" },
    });
    const ways = Object.fromEntries(
      (await classifier.profile()).map(({ name, forward, backward }) => [name, [forward, backward]]),
    );
    expect(ways).toMatchObject({
      layer1: ["events", "winograd"],
      layer2: ["events", "products"],
      layer3: ["levels", "digits"],
    });
  },
);

test("sums in fixed point are as exact as float32 allows", async () => {
  for (const [, network] of networks) {
    using ours = await create({ network }, { engine: "multistep", forward: "levels" });
    const weights = weightReader(smallWeights(network, 3), "float64");
    using exact = await SpikingClassifier.create(network, weights, {
      ...statistics,
      timesteps: 5,
      dtype: "float64",
    });
    using batch = Tensor.from(imagesOf(network, 3), [3, ...network.inputShape]);
    using plain = await create({ network }, { engine: "plain" });
    const traces = await plain.trace(batch);
    for (const [index, { layer }] of traces.entries()) {
      const planned = network.layers[index];
      if (index === 0 || layer.kind === "average-pool" || (planned?.kind === "conv" && planned.shortcut))
        continue;
      const input = traces[index - 1]?.output as Tensor;
      const doubles = Tensor.from(Float64Array.from(await input.data()), input.shape);
      const [a, b] = [await ours.traceLayer(layer.name, input), await exact.traceLayer(layer.name, doubles)];
      if (a.current && b.current) {
        expect(relative(await a.current.data(), await b.current.data())).toBeLessThan(3e-7);
      }
    }
  }
});

describe("what the multi-step engine refuses", () => {
  test("a network with two pools in a row, which the plain engine runs instead", async () => {
    const network = smallNetwork([3, 8, 8], [6, "A", "A"], [4]);
    await expect(create({ network }, { engine: "multistep" })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("there is no layer of neurons in front of layer2") as string,
    });
    using classifier = await create({ network }, {});
    expect(classifier.identity["kernels"]).toBe("plain");
  });

  test("inputs of a layer that are not spikes", async () => {
    const network = smallNetwork([3, 4, 4], [6, 6], [4]);
    using classifier = await create({ network }, { engine: "multistep" });
    using input = Tensor.from(new Float32Array(5 * 6 * 16).fill(0.3), [5, 1, 6, 4, 4]);
    await expect(classifier.traceLayer("layer1", input)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("Expected spikes of 0 and 1") as string,
    });
  });
});
