import { createHash } from "node:crypto";
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readTorchScriptArchive } from "../../src/checkpoint/torchscript-archive";
import type { Classifier } from "../../src/classifiers/classifier";
import { exportTorchScript } from "../../src/classifiers/export-torchscript";
import { loadClassifier } from "../../src/classifiers/load-classifier";
import { loadTorchScript } from "../../src/classifiers/load-torchscript";
import { crossEntropy } from "../../src/classifiers/loss";
import { nativeLayers } from "../../src/classifiers/native-layers";
import { SpikingClassifier } from "../../src/classifiers/spiking-classifier";
import { resolveSurrogate, surrogateShapes } from "../../src/networks/surrogate";
import { TorchScriptModule } from "../../src/classifiers/torchscript-module";
import { openShapes } from "../../src/datasets/shapes";
import { addon } from "../../src/native/addon";
import { Tensor } from "../../src/tensor/tensor";
import { temporaryFolder } from "../support/temporary-folder";
import { numbers, smallResidualNetwork, smallWeights, weightReader } from "./small-networks";

const folder = temporaryFolder();
const demo = join(__dirname, "..", "..", "examples", "demo");
const checkpoint = join(demo, "target.pt");
const statistics = { mean: [0.43, 0.43, 0.43], std: [0.095, 0.095, 0.095] };
const count = 11;

let batch: Tensor;
let labels: Int32Array;
beforeAll(async () => {
  const dataset = await openShapes(demo);
  const { images, labels: found } = await dataset.read(0, count);
  await dataset.close();
  batch = Tensor.from(Float64Array.from(images), [count, ...dataset.imageShape]);
  labels = found;
});
afterAll(() => {
  batch.dispose();
});

let files = 0;
const fresh = (): string => join(folder, `${files++}.ts.pt`);

async function numbersOf(classifier: Classifier, images: Tensor) {
  const { gradient, losses, logits } = await classifier.inputGradient(images, crossEntropy(labels));
  const found = { gradient: await gradient.data(), losses: await losses.data(), logits: await logits.data() };
  for (const tensor of [gradient, losses, logits]) tensor.dispose();
  return found;
}

/** The largest difference, in units of the largest number. */
function relative(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    difference = Math.max(difference, Math.abs((a[i] as number) - (b[i] as number)));
    largest = Math.max(largest, Math.abs(b[i] as number));
  }
  expect(largest).toBeGreaterThan(0);
  return difference / largest;
}

const surrogates = surrogateShapes.flatMap((shape) =>
  (["threshold", "absolute"] as const).map((scale) => ({ shape, scale })),
);

test.each(surrogates)(
  "in float64 the program is the engine: $shape on the $scale's scale",
  async (surrogate) => {
    const path = fresh();
    await exportTorchScript(checkpoint, path, { ...statistics, surrogate });
    using engine = await loadClassifier(checkpoint, { ...statistics, surrogate, dtype: "float64" });
    using program = await loadTorchScript(path, { dtype: "float64" });
    const [ours, theirs] = [await numbersOf(program, batch), await numbersOf(engine, batch)];
    expect(relative(ours.logits, theirs.logits)).toBeLessThan(1e-12);
    expect(relative(ours.losses, theirs.losses)).toBeLessThan(1e-10);
    expect(relative(ours.gradient, theirs.gradient)).toBeLessThan(1e-10);
  },
);

test("shortcuts, strides and a hidden linear layer less: the program of a residual network is the engine", async () => {
  const network = smallResidualNetwork([3, 16, 16], 5, 7);
  const weights = weightReader(smallWeights(network, 3), "float64");
  const surrogate = resolveSurrogate();
  const { layers } = nativeLayers(network, weights);
  const path = fresh();
  await addon().exportTorchScript(
    {
      ...{ layers, ...statistics, timesteps: 5, surrogate, dtype: "float64", withSpikes: true },
      keys: network.layers.map(({ name, kind }) => ({
        ...(kind !== "average-pool" && { weight: `${name}.weight` }),
        ...(kind === "conv" && {
          threshold: `${name}.threshold`,
          leak: `${name}.leak`,
          shortcut: `${name}.shortcut`,
        }),
      })),
      ...{ withNormalisation: true, metadataName: "hire-snn.json", metadata: "{}" },
    },
    path,
  );
  using engine = await SpikingClassifier.create(network, weights, {
    ...{ ...statistics, timesteps: 5, dtype: "float64" },
  });
  using program = await loadTorchScript(path, { inputShape: [3, 16, 16], mean: [0, 0, 0], std: [1, 1, 1] });
  expect(program.dtype).toBe("float64");
  const wrapped = labels.map((label) => label % network.classes);
  const both = await Promise.all(
    [program, engine].map(async (classifier) => {
      const { gradient, logits } = await classifier.inputGradient(batch, crossEntropy(wrapped));
      return [await gradient.data(), await logits.data()] as const;
    }),
  );
  expect(relative(both[0]![0], both[1]![0])).toBeLessThan(1e-10);
  expect(relative(both[0]![1], both[1]![1])).toBeLessThan(1e-12);
});

test("with its spikes it counts what the engine counts, and its logits are still found", async () => {
  const path = fresh();
  const { metadata } = await exportTorchScript(checkpoint, path, { ...statistics, withSpikes: true });
  expect(metadata).toMatchObject({
    output: "0",
    countedLayers: ["conv1", "pool1", "conv2", "conv3", "pool2", "linear1"],
  });
  using engine = await loadClassifier(checkpoint, { ...statistics, dtype: "float64" });
  const { spikes } = await engine.logitsAndSpikes(batch);
  using module = await TorchScriptModule.load(path, { dtype: "float64" });
  const pixels = await batch.data();
  using normalised = Tensor.from(
    Float64Array.from(pixels, (pixel) => (pixel - 0.43) / 0.095),
    batch.shape,
  );
  const outputs = await module.forward(normalised);
  expect(outputs.map(({ path: name, tensor }) => [name, tensor.dtype, ...tensor.shape])).toEqual([
    ["0", "float64", count, 10],
    ["1", "int32", count, 6, 8],
  ]);
  expect(await outputs[1]!.tensor.data()).toEqual(spikes.counts);
  using classifier = await loadTorchScript(path, { dtype: "float64" });
  expect([classifier.output, classifier.classes]).toEqual(["0", 10]);
});

test("with its normalisation it takes pixels, and says so", async () => {
  const [inside, outside] = [fresh(), fresh()];
  await exportTorchScript(checkpoint, inside, { ...statistics, withNormalisation: true });
  await exportTorchScript(checkpoint, outside, statistics);
  using one = await loadTorchScript(inside);
  using other = await loadTorchScript(outside);
  expect([one.mean, other.mean]).toEqual([[0, 0, 0], statistics.mean]);
  expect(await numbersOf(one, batch)).toEqual(await numbersOf(other, batch));
});

test("the archive says what it is, and its tensors are the checkpoint's", async () => {
  const path = fresh();
  const { metadata, size } = await exportTorchScript(checkpoint, path, { ...statistics, timesteps: 3 });
  const archive = readTorchScriptArchive(path);
  expect(JSON.parse(Buffer.from(archive.extraFiles.get("hire-snn.json")!).toString())).toEqual(metadata);
  expect(metadata).toEqual({
    ...{ schemaVersion: 1, inputShape: [3, 16, 16], classes: 10, ...statistics, normalisation: "outside" },
    ...{ dataset: "shapes", network: "12,A,24,24,A/64,10", timesteps: 3, timestepsFrom: "option" },
    surrogate: { shape: "piecewise-linear", a: 0.3, scale: "threshold" },
    source: {
      file: "target.pt",
      sha256: createHash("sha256").update(readFileSync(checkpoint)).digest("hex"),
    },
    writer: expect.stringMatching(/^hire-snn \d/) as string,
  });
  expect(size).toBe(readFileSync(path).length);
  expect(archive.tensors.get("features.3.weight")?.shape).toEqual([24, 12, 3, 3]);
  expect(archive.tensors.get("threshold.t0")?.shape).toEqual([]);
  expect(archive.warnings).toEqual([]);
  // Only operators of plain PyTorch.
  expect(archive.operators.every(({ name }) => /^(aten|prim)::/.test(name))).toBe(true);
});

test("files that are there stay without overwrite, and nothing half-written is left", async () => {
  const path = fresh();
  writeFileSync(path, "mine");
  await expect(exportTorchScript(checkpoint, path)).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringContaining("--force") as string,
  });
  expect(readFileSync(path, "utf8")).toBe("mine");
  await exportTorchScript(checkpoint, path, { overwrite: true });
  expect(readFileSync(path).length).toBeGreaterThan(1000);
  await expect(exportTorchScript(checkpoint, "/nowhere/net.pt")).rejects.toMatchObject({ code: "IO" });
  const unknown = fresh();
  // Without the network file beside it, nothing says the mean.
  const bare = join(folder, "bare.pt");
  copyFileSync(checkpoint, bare);
  const network = "12,A,24,24,A/64,10@3x16x16";
  await expect(exportTorchScript(bare, unknown, { network, withNormalisation: true })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringContaining("--dataset") as string,
  });
  await expect(exportTorchScript(checkpoint, unknown, { mean: [1], std: [1] })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
  });
  expect(existsSync(unknown)).toBe(false);
  expect(readdirSync(folder).filter((name) => name.includes("partial"))).toEqual([]);
});

test("gradients of random images do not vanish, so that the comparisons above compare something", async () => {
  const path = fresh();
  await exportTorchScript(checkpoint, path, statistics);
  using program = await loadTorchScript(path);
  const next = numbers(2);
  using images = Tensor.from(
    Float32Array.from({ length: count * 768 }, () => next()),
    [count, 3, 16, 16],
  );
  const { gradient } = await numbersOf(program, images);
  expect(gradient.filter((value) => value !== 0).length).toBeGreaterThan(gradient.length / 2);
});
