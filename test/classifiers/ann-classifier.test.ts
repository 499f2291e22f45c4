import { dirname, join } from "node:path";
import { pgd } from "../../src/attacks/pgd";
import { AnnClassifier } from "../../src/classifiers/ann-classifier";
import { exportTorchScript } from "../../src/classifiers/export-torchscript";
import { loadClassifier } from "../../src/classifiers/load-classifier";
import { loadTorchScript } from "../../src/classifiers/load-torchscript";
import { crossEntropy } from "../../src/classifiers/loss";
import { openCheckpoint } from "../../src/checkpoint/open-checkpoint";
import { annTwin, type Network } from "../../src/networks/network";
import { parseNetwork } from "../../src/networks/network-text";
import { resolveNetwork } from "../../src/networks/resolve-network";
import { Tensor } from "../../src/tensor/tensor";
import { temporaryFolder } from "../checkpoint/temporary-folder";
import { networkFileContent } from "../networks/state-dicts";
import { numbers, smallNetwork, smallResidualNetwork, smallWeights, weightReader } from "./small-networks";

const folder = temporaryFolder();
const statistics = { mean: [0.49, 0.48, 0.45], std: [0.2, 0.21, 0.22] };

function imagesOf(network: Network, count: number): Float64Array {
  const next = numbers(5);
  return Float64Array.from({ length: count * network.inputShape.reduce((a, b) => a * b, 1) }, () => next());
}

async function create(network: Network, dtype: "float32" | "float64"): Promise<AnnClassifier> {
  const weights = weightReader(smallWeights(network, 3), dtype);
  return await AnnClassifier.create(annTwin(network), weights, { ...statistics, dtype });
}

test("by hand: a rectifier passes what is above zero, a pool is the mean, the shortcut comes before the rectifier", async () => {
  const network = parseNetwork("1,A,R1/2@1x2x2:k1");
  const values: Record<string, number[]> = {
    "pre_process.0.weight": [2],
    "layer1.0.residual.0.weight": [-1],
    "layer1.0.residual.3.weight": [5],
    "classifier.0.weight": [1, -3],
  };
  const shapes = new Map(
    Object.entries(values).map(([key, data]) => [key, key.startsWith("c") ? [2, 1] : [data.length, 1, 1, 1]]),
  );
  const reader = {
    read: (key: string) => ({ data: Float64Array.from(values[key] ?? []), shape: shapes.get(key) ?? [] }),
  };
  using classifier = await AnnClassifier.create(annTwin(network), reader, {
    ...{ mean: [0.5], std: [0.5], dtype: "float64" },
  });
  using image = Tensor.from(Float64Array.of(1, 0.75, 0.25, 0), [1, 1, 2, 2]);
  // Normalised 1, 0.5, -0.5, -1; rectified 2, 1, 0, 0; mean 0.75; the block's middle is 0, its output 0 + 0.75.
  const { logits, spikes } = await classifier.logitsAndSpikes(image);
  expect([...(await logits.data())]).toEqual([0.75, -2.25]);
  expect([...spikes.counts]).toEqual([2, 1, 0, 1]);
  // Of the block's two convolutions and the output: an input that is not zero is one, whatever its value.
  expect([...(spikes.reached ?? [])]).toEqual([1, 1, 0, 0, 1, 1]);
  expect(spikes.timesteps).toBe(1);
});

describe.each<[string, Network]>([
  ["a VGG", smallNetwork([3, 8, 8], [6, "A", 5, "A"], [9, 4])],
  ["shortcuts and a stride", smallResidualNetwork([3, 10, 10], 5, 7)],
])("%s", (_, network) => {
  test("the gradient is what differences of the loss say", async () => {
    using classifier = await create(network, "float64");
    const image = imagesOf(network, 1);
    const loss = crossEntropy(Int32Array.of(1));
    const lossAt = async (values: Float64Array): Promise<number> => {
      using batch = Tensor.from(values, [1, ...network.inputShape]);
      const { losses } = await classifier.inputGradient(batch, loss);
      return (await losses.data())[0] as number;
    };
    using batch = Tensor.from(image, [1, ...network.inputShape]);
    const gradient = await (await classifier.inputGradient(batch, loss)).gradient.data();
    expect(gradient.some((value) => Math.abs(value) > 1e-3)).toBe(true);
    const h = 1e-6;
    for (let i = 0; i < image.length; i += 7) {
      const moved = (by: number): Float64Array => image.map((value, j) => (i === j ? value + by : value));
      const difference = ((await lossAt(moved(h))) - (await lossAt(moved(-h)))) / (2 * h);
      expect(Math.abs(difference - (gradient[i] as number))).toBeLessThan(1e-7);
    }
  });

  test("a sample's bits do not depend on its neighbours", async () => {
    using classifier = await create(network, "float32");
    const count = 19;
    const images = Float32Array.from(imagesOf(network, count));
    const size = images.length / count;
    const run = async (from: number, to: number): Promise<number[]> => {
      using batch = Tensor.from(images.slice(from * size, to * size), [to - from, ...network.inputShape]);
      const labels = Int32Array.from({ length: to - from }, (_, i) => (from + i) % 4);
      const { gradient } = await classifier.inputGradient(batch, crossEntropy(labels));
      return [...(await gradient.data())];
    };
    const whole = await run(0, count);
    expect([...(await run(0, 5)), ...(await run(5, 6)), ...(await run(6, count))]).toEqual(whole);
  });
});

describe("a checkpoint without thresholds and leaks", () => {
  const twin = annTwin(parseNetwork("4,A,R4,R8/10@3x16x16"));
  const written = (name: string): string => {
    folder.write(
      `${name}.network.json`,
      JSON.stringify({ network: "4,A,R4,R8/10", inputShape: [3, 16, 16], timesteps: 6 }),
    );
    return folder.write(`${name}.pt`, networkFileContent(twin));
  };

  test("is the ANN twin, which attacks run on", async () => {
    using classifier = await loadClassifier(written("ann"));
    expect(classifier).toBeInstanceOf(AnnClassifier);
    expect(classifier.identity).toMatchObject({ kind: "ann", network: "4,A,R4,R8/10", kernels: "plain" });
    expect(classifier.origin?.timestepsFrom).toBeUndefined();
    using images = Tensor.from(new Float32Array(2 * 768).fill(0.5), [2, 3, 16, 16]);
    const attacked = await pgd(classifier, images, [1, 2], { epsilon: 0.1, steps: 2, stepSize: 0.05 });
    expect(attacked.images.shape).toEqual([2, 3, 16, 16]);
  });

  test("refuses what an ANN has not", async () => {
    const path = written("refused");
    for (const options of [
      { surrogate: { shape: "atan" } },
      { kernels: { engine: "multistep" } },
      { device: "cuda" },
    ] as const) {
      await expect(loadClassifier(path, options)).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        message: expect.stringContaining("an ANN") as string,
      });
    }
  });

  test("one threshold makes it a spiking network of which the others are missing", () => {
    const spiking = parseNetwork("4,A,R4,R8/10@3x16x16");
    const content = networkFileContent(spiking);
    using whole = openCheckpoint(folder.write("whole.pt", content));
    expect(resolveNetwork(whole, { network: "4,A,R4,R8/10@3x16x16" }).network.neurons).toBeUndefined();
    using ann = openCheckpoint(written("again"));
    expect(resolveNetwork(ann).network.neurons).toBe("relu");
  });

  test("is exported as a program that gives its logits and gradients", async () => {
    const path = written("exported");
    const to = join(dirname(path), "exported.ts.pt");
    const { metadata } = await exportTorchScript(path, to, { withSpikes: true, ...statistics });
    expect(metadata).toMatchObject({ neurons: "relu" });
    using ann = await loadClassifier(path, statistics);
    using program = await loadTorchScript(to);
    using images = Tensor.from(Float32Array.from(imagesOf(twin, 2)), [2, 3, 16, 16]);
    const [ours, theirs] = await Promise.all(
      [ann, program].map(async (each) => await each.inputGradient(images, crossEntropy(Int32Array.of(0, 3)))),
    );
    for (const what of ["logits", "gradient"] as const) {
      const [a, b] = [await ours![what].data(), await theirs![what].data()];
      expect(Math.max(...a.map((value, i) => Math.abs(value - (b[i] as number))))).toBeLessThan(1e-5);
    }
  });
});
