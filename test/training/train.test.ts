import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportTorchScript } from "../../src/classifiers/export-torchscript";
import { loadClassifier } from "../../src/classifiers/load-classifier";
import { SpikingClassifier } from "../../src/classifiers/spiking-classifier";
import type { Dataset } from "../../src/datasets/dataset";
import { openDataset } from "../../src/datasets/open-dataset";
import { evaluate } from "../../src/evaluation/evaluate";
import { readSamples } from "../../src/training/batches";
import type { EpochRecord } from "../../src/training/epoch-record";
import { splitIndices } from "../../src/training/sampling";
import { train, type TrainOptions } from "../../src/training/train";
import { Tensor } from "../../src/tensor/tensor";
import { runCli } from "../cli/run-cli";
import { makeShapes } from "./make-shapes";

const network = "8,A,12,A/32,10";

let folder: string;
let dataset: Dataset;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "hire-snn-train-"));
  await makeShapes(join(folder, "shapes"), 900);
  dataset = await openDataset("shapes", { data: join(folder, "shapes") });
});
afterAll(async () => {
  await dataset.close();
  rmSync(folder, { recursive: true, force: true });
});

async function run(
  name: string,
  options: Partial<TrainOptions>,
): Promise<{ path: string; epochs: EpochRecord[] }> {
  const epochs: EpochRecord[] = [];
  const { path } = await train({
    ...{ method: "traditional", network, dataset, out: join(folder, name), batchSize: 50 },
    ...{ calibration: { images: 100, timesteps: 10 } },
    ...options,
    onEpoch: (epoch) => epochs.push(epoch),
  });
  return { path, epochs };
}

const ann = { method: "ann", optimizer: "adam", learningRate: 3e-3, weightDecay: 0, epochs: 8 } as const;

test("an ANN learns, and spiking networks that begin with it: traditional and HIRE", async () => {
  const first = await run("ann", ann);
  const accuracies = first.epochs.map(({ heldOutAccuracy }) => heldOutAccuracy ?? NaN);
  expect(first.epochs.at(-1)?.loss).toBeLessThan(0.7 * (first.epochs[0]?.loss ?? NaN));
  expect(accuracies.at(-1)).toBeGreaterThan(0.4);

  const spiking = { from: first.path, timesteps: 4, epochs: 3, learningRate: 1e-3 };
  for (const method of ["traditional", "hire"] as const) {
    const { path, epochs } = await run(method, { ...spiking, method });
    expect(epochs.at(-1)?.loss).toBeLessThan(epochs[0]?.loss ?? NaN);
    const last = epochs.at(-1) as EpochRecord;
    expect(last.heldOutAccuracy).toBeGreaterThan(0.4);
    expect(Object.keys(last.thresholds)).toEqual(["conv1", "conv2", "linear1"]);
    for (const leak of Object.values(last.leaks)) expect(leak).toBeLessThanOrEqual(1);
    expect(
      readFileSync(join(folder, method, "log.jsonl"), "utf8")
        .trim()
        .split("\n"),
    ).toHaveLength(3);

    // What was written is what was trained: it is found again by its tensors and its network file.
    using classifier = await loadClassifier(path);
    if (!(classifier instanceof SpikingClassifier)) throw new Error("Expected a spiking network");
    expect(classifier.timesteps).toBe(4);
    expect(classifier.thresholds.map(Math.fround)).toEqual(Object.values(last.thresholds).map(Math.fround));
    const { results } = await evaluate({ target: classifier, dataset, attacks: [], samples: 300, seed: 0 });
    expect((results[0]?.correct ?? 0) / 300).toBeGreaterThan(0.4);
  }
});

test("under rate coding a spiking network learns, and its checkpoint is evaluated under it without being told", async () => {
  const first = await run("ann-for-rates", ann);
  const { path, epochs } = await run("rates", {
    ...{ from: first.path, timesteps: 8, epochs: 3, learningRate: 1e-3, method: "hire", coding: "rate" },
  });
  expect(epochs.at(-1)?.loss).toBeLessThan(epochs[0]?.loss ?? NaN);
  const { heldOutAccuracy } = epochs.at(-1) as EpochRecord;
  expect(heldOutAccuracy).toBeGreaterThan(0.3);

  // Also beside the data set's own statistics, which are those of direct coding.
  for (const options of [{}, dataset]) {
    using classifier = await loadClassifier(path, options);
    if (!(classifier instanceof SpikingClassifier)) throw new Error("Expected a spiking network");
    expect(classifier).toMatchObject({
      coding: "rate",
      timesteps: 8,
      mean: [0.5, 0.5, 0.5],
      std: [0.5, 0.5, 0.5],
    });
  }
  // With the draws that its last epoch was judged by, the accuracy on the images held out is found again.
  using judge = await loadClassifier(path, { codingSeed: 0 });
  const heldOut = splitIndices(dataset.length, 90, 810, 0).heldOut;
  const { images, labels } = await readSamples(dataset, heldOut);
  using shown = Tensor.from(images, [heldOut.length, ...dataset.imageShape]);
  using logits = await judge.logits(shown, { sampleIndices: [...heldOut] });
  const values = await logits.data();
  const correct = labels.filter((label, i) => {
    const row = values.subarray(10 * i, 10 * i + 10);
    return row.indexOf(Math.max(...row)) === label;
  });
  expect(correct.length / labels.length).toBe(heldOutAccuracy);

  const told = { data: join(folder, "shapes"), samples: "50", seed: "0" };
  const evaluated = async (...more: string[]): Promise<Record<string, unknown>> => {
    const options = [
      "--dataset",
      "shapes",
      "--data",
      told.data,
      "--samples",
      told.samples,
      "--attack",
      "fgsm",
      "--epsilon",
      "0.02",
    ];
    const { code, stdout, stderr } = await runCli(["evaluate", path, ...options, "--json", ...more]);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const { identity } = JSON.parse(stdout) as { identity: { target: Record<string, unknown> } };
    return identity.target;
  };
  expect(await evaluated()).toMatchObject({ coding: "rate", timesteps: 8, mean: [0.5, 0.5, 0.5] });
  expect(await evaluated("--coding", "direct")).toMatchObject({ coding: "direct", mean: [0.5, 0.5, 0.5] });
});

test("with mixed precision networks learn, and their training says so", async () => {
  const first = await run("ann-mixed", { ...ann, mixedPrecision: true });
  const spiking = { from: first.path, timesteps: 4, epochs: 3, learningRate: 1e-3, method: "hire" } as const;
  const mixed = await run("hire-mixed", { ...spiking, mixedPrecision: true });
  for (const { epochs } of [first, mixed]) {
    expect(epochs.at(-1)?.loss).toBeLessThan(epochs[0]?.loss ?? NaN);
    expect(epochs.at(-1)?.heldOutAccuracy).toBeGreaterThan(0.4);
  }
  // Close to the same in float32, but not the same.
  const single = await run("hire-single", { ...spiking, plain: true });
  const [rounded, exact] = [mixed, single].map(({ epochs }) => epochs.at(-1)?.loss ?? NaN);
  expect(rounded).not.toBe(exact);
  expect(rounded).toBeCloseTo(exact as number, 1);
  const { identity } = JSON.parse(readFileSync(join(folder, "hire-mixed", "config.json"), "utf8")) as {
    identity: unknown;
  };
  expect(identity).toMatchObject({ mixedPrecision: true });
  await expect(
    run("hire-mixed", { ...spiking, calibration: { images: 100, timesteps: 10 }, resume: true }),
  ).rejects.toMatchObject({ message: expect.stringMatching(/mixedPrecision: false instead of true/) });
});

test("the surrogate gradient that a network was trained with is that of its attacks and its program", async () => {
  const surrogate = { shape: "atan", a: 2, scale: "absolute" } as const;
  const settings = { timesteps: 2, epochs: 1, trainingImages: 100, heldOut: 0 };
  const { path } = await run("atan", { ...settings, surrogate });
  const usual = await run("usual", settings);
  expect(readFileSync(path).equals(readFileSync(usual.path))).toBe(false);
  for (const [checkpoint, expected] of [
    [path, surrogate],
    [usual.path, { shape: "piecewise-linear", a: 0.3, scale: "threshold" }],
  ] as const) {
    using classifier = await loadClassifier(checkpoint);
    expect(classifier).toMatchObject({ surrogate: expected });
    const { metadata } = await exportTorchScript(checkpoint, `${checkpoint}.ts.pt`);
    expect(metadata).toMatchObject({ surrogate: expected });
  }
  using asked = await loadClassifier(path, { surrogate: { shape: "erf" } });
  expect(asked).toMatchObject({ surrogate: { shape: "erf" } });
});

test("on a GPU networks learn as on the CPU, or it is refused with the way out", async () => {
  const settings = { ...ann, epochs: 2, device: "cuda" };
  const found = await run("cuda", settings).catch((error: unknown) => error);
  if (found instanceof Error) {
    expect(found).toMatchObject({ code: "DEVICE_UNAVAILABLE" });
    expect(found.message).toMatch(/HIRE_SNN_LIBTORCH|NVIDIA driver|GPU/);
    expect(existsSync(join(folder, "cuda"))).toBe(false);
    return;
  }
  const { path } = found as Awaited<ReturnType<typeof run>>;
  const cpu = await run("cpu", { ...settings, device: "cpu" });
  const losses = readFileSync(join(path, "..", "log.jsonl"), "utf8")
    .trim()
    .split("\n");
  losses.forEach((line, epoch) => {
    const { loss } = JSON.parse(line) as EpochRecord;
    expect(loss).toBeCloseTo(cpu.epochs[epoch]?.loss ?? NaN, 2);
  });
});

test("HIRE with one period is traditional training, and with noise of zero differs from it by its periods alone", async () => {
  const settings = { timesteps: 4, epochs: 1, trainingImages: 150, heldOut: 0, learningRate: 1e-3 };
  const traditional = await run("one-traditional", settings);
  const single = await run("one-hire", { ...settings, method: "hire", hire: { periods: 1 } });
  expect(readFileSync(single.path).equals(readFileSync(traditional.path))).toBe(true);

  const still = { noiseStep: 0, noiseBound: 0 };
  const reuse = await run("still", { ...settings, method: "hire", hire: { ...still, gradient: "reuse" } });
  const again = await run("still-again", {
    ...settings,
    method: "hire",
    hire: { ...still, gradient: "recompute" },
  });
  expect(readFileSync(again.path).equals(readFileSync(reuse.path))).toBe(true);
  const noisy = await run("noisy", { ...settings, method: "hire", hire: {} });
  const noisyAgain = await run("noisy-again", {
    ...settings,
    method: "hire",
    hire: { gradient: "recompute" },
  });
  const kept = await run("kept", { ...settings, method: "hire", hire: { noise: "keep" } });
  const models = [reuse, noisy, noisyAgain, kept].map(({ path }) => readFileSync(path).toString("latin1"));
  expect(new Set(models).size).toBe(4);
});

test("a training that breaks down says where and what helps", async () => {
  await expect(
    run("exploded", { ...ann, optimizer: "sgd", learningRate: 1e6, epochs: 2 }),
  ).rejects.toMatchObject({
    code: "TRAINING_FAILED",
    message: expect.stringMatching(
      /in the (gradient of conv|gradient of linear|gradient of output|loss)[\s\S]*smaller learning rate/,
    ),
  });
  const silent = {
    timesteps: 2,
    epochs: 10,
    batchSize: 10,
    calibration: { images: 100, timesteps: 5, scale: 1e4 },
  };
  await expect(run("silent", silent)).rejects.toMatchObject({
    code: "TRAINING_FAILED",
    message: expect.stringMatching(/spikes in conv1 but it was silent/),
  });
});

test.each([
  [{ method: "hire", timesteps: 5 }, /divides the 5 time steps but received 2/],
  [{ method: "traditional", epochs: 0 }, /epochs/],
  [{ method: "traditional", hire: { noisestep: 1 } }, /hire/],
  [{ method: "traditional", learningRate: -1 }, /learningRate/],
  [{ method: "none" }, /method/],
  [{ method: "ann", heldOut: 900 }, /heldOut and trainingImages/],
  [{ method: "ann", coding: "rate" }, /direct coding \(--coding\) for the method ann but received rate/],
  [{ method: "hire", coding: "poisson" }, /coding/],
  [{ method: "hire", surrogate: { shape: "step" } }, /surrogate.shape/],
  [
    { method: "ann", surrogate: { shape: "atan" } },
    /no surrogate gradient \(--surrogate\) for the method ann/,
  ],
  [{ method: "hire", device: "gpu" }, /Expected cpu, cuda or cuda:N for the device but received "gpu"/],
])("refuses %j", async (options, message) => {
  await expect(run("refused", options as Partial<TrainOptions>)).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringMatching(message),
  });
});

test("a training that cannot begin leaves no folder that another would have to go on with", async () => {
  const settings = { ...ann, epochs: 1, trainingImages: 50, heldOut: 0 };
  const { path: from } = await run("narrow", settings);
  const wider = { ...settings, network: "16,A,12,A/32,10", from };
  await expect(run("wider", wider)).rejects.toMatchObject({ code: "NETWORK_INVALID" });
  expect(existsSync(join(folder, "wider"))).toBe(false);
  await run("wider", { ...wider, from: undefined });
});

test("refuses a folder that holds a training, and to go on under other settings", async () => {
  const settings = { ...ann, epochs: 1, trainingImages: 50, heldOut: 0 };
  await run("once", settings);
  await expect(run("once", settings)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await expect(run("once", { ...settings, learningRate: 0.1, resume: true })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringMatching(/learningRate: 0.1 instead of 0.003/),
  });
});
