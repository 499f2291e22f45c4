import { crossEntropy } from "../../src/classifiers/loss";
import type { LayerTrace } from "../../src/classifiers/network-classifier";
import { SpikingClassifier, type KernelOptions } from "../../src/classifiers/spiking-classifier";
import { macsOfConnection, type Connection } from "../../src/networks/connections";
import type { ConvLayer, Layer, Network, Shape } from "../../src/networks/network";
import { Tensor } from "../../src/tensor/tensor";
import { numbers, smallNetwork, smallResidualNetwork, smallWeights, weightReader } from "./small-networks";

const statistics = { mean: [0.49, 0.48, 0.45], std: [0.2, 0.21, 0.22] };
const timesteps = 4;

const networks: readonly [string, Network][] = [
  ["pools on odd maps", smallNetwork([3, 9, 7], [6, "A", 70, "A", 5], [9, 4])],
  ["kernel 5", smallNetwork([3, 9, 8], [12, "A", 20, 8], [5, 4], 5)],
  ["kernel 1, and a linear layer behind a pool", smallNetwork([3, 7, 6], [12, 70, "A"], [5, 4], 1)],
  ["a map smaller than the kernel", smallNetwork([3, 2, 2], [16, "A", 24], [9, 4], 5)],
  ["linear layers alone", smallNetwork([3, 3, 3], [], [70, 5, 4])],
  ["strides and shortcuts", smallResidualNetwork([3, 12, 14], 70, 9)],
  ["strides and shortcuts on odd maps", smallResidualNetwork([3, 11, 13], 9, 65)],
];

const engines: readonly [string, KernelOptions][] = [
  ["plain", { engine: "plain" }],
  ["events", { engine: "multistep", forward: "events" }],
  ["levels", { engine: "multistep", forward: "levels" }],
];

async function create(network: Network, kernels: KernelOptions): Promise<SpikingClassifier> {
  const weights = weightReader(smallWeights(network, 3), "float32");
  return await SpikingClassifier.create(network, weights, { ...statistics, timesteps, kernels });
}

/** The outputs of a layer, [T][N][C][H][W] one after the other. */
type Outputs = ReadonlyMap<string, Float32Array>;

async function outputsOf(traces: readonly LayerTrace[]): Promise<Outputs> {
  const entries = traces.map(async ({ layer, output }) => {
    using tensor = output;
    return [layer.name, (await tensor.data()) as Float32Array] as const;
  });
  for (const { membrane } of traces) membrane?.dispose();
  return new Map(await Promise.all(entries));
}

/** Output by output and weight by weight: whether the input that it reads is there, is not zero, and of how many spikes. */
function reachedBy(connection: Connection, outputs: Outputs, image: number, count: number): [number, number] {
  const values = outputs.get(connection.from) as Float32Array;
  const { inputShape, outputShape, kind, pools } = connection;
  const [channels, height, width] = inputShape;
  const kernel =
    kind === "conv" ? [connection.kernel as number, connection.kernel as number] : [height, width];
  const padding = kind === "conv" ? ((kernel[0] as number) - 1) / 2 : 0;
  const stride = connection.stride ?? 1;
  let active = 0;
  let spikes = 0;
  for (let t = 0; t < timesteps; t++) {
    for (let y = 0; y < outputShape[1]; y++) {
      for (let x = 0; x < outputShape[2]; x++) {
        for (let ky = 0; ky < (kernel[0] as number); ky++) {
          for (let kx = 0; kx < (kernel[1] as number); kx++) {
            const [row, column] = [y * stride + ky - padding, x * stride + kx - padding];
            if (row < 0 || row >= height || column < 0 || column >= width) continue;
            for (let c = 0; c < channels; c++) {
              const at = (((t * count + image) * channels + c) * height + row) * width + column;
              const value = values[at] as number;
              if (value !== 0) active++;
              spikes += value * 4 ** pools;
            }
          }
        }
      }
    }
  }
  return [active, spikes];
}

const count = 3;

async function reachedOf(network: Network, kernels: KernelOptions): Promise<Float64Array> {
  using classifier = await create(network, kernels);
  const next = numbers(7);
  const pixels = network.inputShape.reduce((a, b) => a * b, 1);
  using images = Tensor.from(
    Float32Array.from({ length: count * pixels }, () => next()),
    [count, ...network.inputShape],
  );
  const { logits, spikes } = await classifier.logitsAndSpikes(images);
  logits.dispose();
  const gradient = await classifier.inputGradient(images, crossEntropy(Int32Array.of(0, 1, 2)));
  for (const tensor of [gradient.gradient, gradient.losses, gradient.logits]) tensor.dispose();
  expect(gradient.spikes?.reached).toEqual(spikes.reached);

  const outputs = await outputsOf(await classifier.trace(images));
  const connections = classifier.connections.slice(1);
  const expected = Array.from({ length: count }, (_, image) =>
    connections.flatMap((connection) => reachedBy(connection, outputs, image, count)),
  );
  expect([...(spikes.reached as Float64Array)]).toEqual(expected.flat());
  return spikes.reached as Float64Array;
}

describe.each(networks)("%s", (_, network) => {
  it.each(engines)("reaches what its trace says, by the engine %s", async (_engine, kernels) => {
    const reached = await reachedOf(network, kernels);
    // Otherwise nothing would have been compared.
    expect(reached.filter((sum) => sum > 0).length).toBeGreaterThan(reached.length / 2);
  });
});

it("counts the spikes in front of two pools in a row", async () => {
  await reachedOf(smallNetwork([3, 9, 9], [6, "A", "A", 5], [4]), { engine: "plain" });
});

/** Fires exactly where a pixel of a 4x4 image is 1, and sends the spikes into the layers given. */
async function reachedFromPixels(pixels: readonly (readonly [number, number])[], behind: readonly Layer[]) {
  const first: ConvLayer = {
    ...{ kind: "conv", name: "first", inputShape: [1, 4, 4], outputShape: [1, 4, 4], kernel: 1 },
    keys: { weight: "one", threshold: "half", leak: "one" },
  };
  const last = behind.at(-1) as Layer;
  const output: Layer = {
    ...{ kind: "output", name: "output", inputShape: last.outputShape, outputShape: [2, 1, 1] },
    keys: { weight: "zeros" },
  };
  const network: Network = {
    ...{ name: "4x4", inputShape: [1, 4, 4], classes: 2 },
    layers: [first, ...behind, output],
  };
  const read = (key: string) => {
    if (key === "half") return { data: Float32Array.of(0.5), shape: [] };
    if (key === "one") return { data: Float32Array.of(1), shape: [1, 1, 1, 1] };
    const layer = network.layers.find((each) => "keys" in each && each.keys.weight === key) as Layer;
    const [outputs, inputs] = [layer.outputShape[0], layer.inputShape.reduce((a, b) => a * b, 1)];
    const shape =
      layer.kind === "conv" ? [outputs, layer.inputShape[0], layer.kernel, layer.kernel] : [outputs, inputs];
    return { data: new Float32Array(shape.reduce((a, b) => a * b, 1)), shape };
  };
  using classifier = await SpikingClassifier.create(network, { read }, { timesteps: 1, mean: [0], std: [1] });
  const image = new Float32Array(16);
  for (const [y, x] of pixels) image[4 * y + x] = 1;
  using images = Tensor.from(image, [1, 1, 4, 4]);
  const { logits, spikes } = await classifier.logitsAndSpikes(images);
  logits.dispose();
  return Array.from(spikes.reached as Float64Array).slice(0, 2);
}

/** Three outputs of a convolution with zero weights: what matters here is whom it meets. */
function conv(inputShape: Shape, outputShape: Shape, stride = 1): ConvLayer {
  return {
    ...{ kind: "conv", name: "second", inputShape, outputShape, kernel: 3, stride },
    keys: { weight: "second", threshold: "half", leak: "one" },
  };
}

describe("on a map of 4x4", () => {
  // A corner, an edge and an inner pixel.
  const pixels = [
    [0, 0],
    [0, 1],
    [1, 1],
  ] as const;

  it("meets 4 positions in a corner, 6 at an edge and 9 inside", async () => {
    const behind = [conv([1, 4, 4], [3, 4, 4])];
    expect(await reachedFromPixels([[0, 0]], behind)).toEqual([4, 4]);
    expect(await reachedFromPixels([[0, 1]], behind)).toEqual([6, 6]);
    expect(await reachedFromPixels([[1, 1]], behind)).toEqual([9, 9]);
    expect(await reachedFromPixels(pixels, behind)).toEqual([19, 19]);
  });

  it("meets 1, 2 and 4 positions under a stride of 2", async () => {
    const behind = [conv([1, 4, 4], [3, 2, 2], 2)];
    expect(await reachedFromPixels([[0, 0]], behind)).toEqual([1, 1]);
    expect(await reachedFromPixels([[0, 1]], behind)).toEqual([2, 2]);
    expect(await reachedFromPixels([[1, 1]], behind)).toEqual([4, 4]);
    expect(await reachedFromPixels(pixels, behind)).toEqual([7, 7]);
  });

  it("is, behind a pool, one input of three spikes that meets all 4 positions", async () => {
    const pool: Layer = {
      ...{ kind: "average-pool", name: "pool", inputShape: [1, 4, 4], outputShape: [1, 2, 2] },
    };
    const behind = [pool, conv([1, 2, 2], [3, 2, 2])];
    expect(await reachedFromPixels(pixels, behind)).toEqual([4, 12]);
    expect(await reachedFromPixels([...pixels, [3, 3]], behind)).toEqual([8, 16]);
  });

  it("has 100 of 144 products inside its borders, and 25 of 36 under a stride of 2", () => {
    const connection: Connection = {
      ...{ from: "first", to: "second", kind: "conv", kernel: 3, stride: 1, neurons: "first", pools: 0 },
      ...{ inputShape: [1, 4, 4], outputShape: [1, 4, 4] },
    };
    expect(macsOfConnection(connection, "padded")).toBe(144);
    // Along a side 2 + 3 + 3 + 2.
    expect(macsOfConnection(connection, "exact")).toBe(100);
    const strided: Connection = { ...connection, stride: 2, outputShape: [1, 2, 2] };
    expect(macsOfConnection(strided, "padded")).toBe(36);
    // Along a side 2 + 3.
    expect(macsOfConnection(strided, "exact")).toBe(25);
  });
});
