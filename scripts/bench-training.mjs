#!/usr/bin/env node
// Times training: `node scripts/bench-training.mjs CHECKPOINT [--network vgg5] [--batch 64] [--timesteps 6] [--rounds 5] [--python]
// [--plain] [--epoch-images 2560]`, on a checkpoint of a spiking network.
//
// A round is one mini-batch of traditional training and one of HIRE's (two periods), on the same random images, network, optimizer and
// engine; medians and ratios. --python: beside the layer-by-layer reference in PyTorch, whose process runs between our rounds.
// --plain: on libtorch's dense layers. --epoch-images: whole epochs as well, of `train` on so many images of CIFAR, data and optimizer
// included; the methods take turns in being the first of a round.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { cifarFolder } from "./reference/data.mjs";
import { referencePython, referenceFolder } from "./reference/environment.mjs";
import { main } from "./setup/main.mjs";
import { capture } from "./setup/processes.mjs";
import { root } from "./setup/project.mjs";
import { SetupError } from "./setup/report.mjs";

const library = (path) => import(join(root, "lib", path));
const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];
const print = (text) => process.stdout.write(`${text}\n`);

await main(async (args) => {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      network: { type: "string", default: "vgg5" },
      batch: { type: "string", default: "64" },
      timesteps: { type: "string", default: "6" },
      rounds: { type: "string", default: "5" },
      threads: { type: "string", default: "2" },
      python: { type: "boolean" },
      plain: { type: "boolean" },
      "epoch-images": { type: "string" },
    },
  });
  const [checkpointPath] = positionals;
  if (checkpointPath === undefined) throw new SetupError("Expected a checkpoint of the network");
  const batch = Number(values.batch);
  const timesteps = Number(values.timesteps);
  const [
    { openCheckpoint },
    { resolveNetwork },
    { parametersOf },
    { resolveSettings },
    { TrainedNetwork },
    native,
    { Tensor },
  ] = await Promise.all(
    [
      "checkpoint/open-checkpoint.js",
      "networks/resolve-network.js",
      "networks/network-parameters.js",
      "training/options.js",
      "training/trained-network.js",
      "native/addon.js",
      "tensor/tensor.js",
    ].map(library),
  );
  native.setThreads(Number(values.threads));
  const checkpoint = openCheckpoint(checkpointPath);
  const { network } = resolveNetwork(checkpoint, { network: values.network });
  const size = network.inputShape.reduce((product, length) => product * length, 1);
  let state = 1;
  const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const images = Float32Array.from({ length: batch * size }, random);
  const labels = Int32Array.from({ length: batch }, (_, index) => index % network.classes);
  const samples = Uint32Array.from(labels.keys());
  const methods = {
    traditional: { method: "traditional" },
    hire: { method: "hire" },
  };
  const trained = {};
  for (const [name, method] of Object.entries(methods)) {
    const settings = await resolveSettings(
      { ...method, network: values.network, timesteps, plain: values.plain ?? false },
      { datasetName: "cifar10", images: 50_000 },
    );
    const statistics = { mean: [0.4914, 0.4822, 0.4465], std: [0.2023, 0.1994, 0.201] };
    trained[name] = await TrainedNetwork.create({
      ...{ network, ...statistics, settings, seed: 0, weights: parametersOf(checkpoint) },
    });
  }
  const seconds = { traditional: [], hire: [], pytorch: [] };
  const byImage = [];
  let rates;
  for (let round = 0; round <= Number(values.rounds); round++) {
    for (const name of Object.keys(methods)) {
      const started = performance.now();
      const { spikes } = await trained[name].step(images, labels, samples, round, 1, 1e-4);
      // The first round takes memory.
      if (round > 0) seconds[name].push((performance.now() - started) / 1000);
      if (name === "traditional" && round === 0) {
        rates = network.layers.slice(0, -1).map(({ name: layer, outputShape }, index) => {
          const neurons = outputShape.reduce((product, length) => product * length, 1);
          return `${layer} ${((100 * spikes[index]) / (neurons * batch * timesteps)).toFixed(1)} %`;
        });
      }
    }
    if (round > 0) byImage.push(await passes(trained.hire, { images, labels, samples, Tensor }));
    if (values.python && round > 0) seconds.pytorch.push(await pytorch(values, checkpointPath));
  }
  print(
    `${network.name}, batch ${batch}, ${timesteps} time steps, ${values.threads} threads, ${trained.hire.native.kernels}`,
  );
  print(`spikes per neuron and time step: ${rates.join(", ")}`);
  for (const [name, list] of Object.entries(seconds)) {
    if (list.length === 0) continue;
    const range = `${Math.min(...list).toFixed(3)} to ${Math.max(...list).toFixed(3)}`;
    print(`${name}: median ${median(list).toFixed(3)} s a mini-batch (${range})`);
  }
  const ratios = seconds.hire.map((value, round) => value / seconds.traditional[round]);
  print(`hire / traditional: median ${median(ratios).toFixed(3)}`);
  const [without, withIt] = [0, 1].map((which) => median(byImage.map((took) => took[which])));
  print(
    `a pass: median ${without.toFixed(3)} s, with the gradient by the images ${withIt.toFixed(3)} s, of which that is ` +
      `${(100 * (1 - without / withIt)).toFixed(1)} %`,
  );
  if (values.python) {
    print(
      `pytorch / traditional: median ${median(seconds.pytorch.map((value, i) => value / seconds.traditional[i])).toFixed(2)}`,
    );
  }
  if (values["epoch-images"])
    await epochs(values, checkpointPath, network.classes === 100 ? "cifar100" : "cifar10");
});

/** Whole epochs of both methods, in turn. */
async function epochs(values, checkpoint, name) {
  const { train } = await library("training/train.js");
  const { openDataset } = await library("datasets/open-dataset.js");
  const { folder: data, missing } = await cifarFolder();
  if (missing !== null) throw new SetupError(missing);
  const dataset = await openDataset(name, { data, split: "train" });
  const folder = mkdtempSync(join(tmpdir(), "hire-snn-epochs-"));
  const seconds = { traditional: [], hire: [] };
  try {
    for (let round = 0; round <= Number(values.rounds); round++) {
      for (const method of round % 2 ? ["hire", "traditional"] : ["traditional", "hire"]) {
        const out = join(folder, `${method}-${round}`);
        const { lastEpoch } = await train({
          ...{ method, network: values.network, dataset, from: checkpoint, seed: round, out },
          ...{ timesteps: Number(values.timesteps), batchSize: Number(values.batch), epochs: 1, heldOut: 0 },
          plain: values.plain ?? false,
          ...{ trainingImages: Number(values["epoch-images"]), checkpointMinutes: 1e6 },
        });
        rmSync(out, { recursive: true });
        // The first round warms up.
        if (round > 0) seconds[method].push(lastEpoch.seconds);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await dataset.close();
  }
  for (const [method, list] of Object.entries(seconds)) {
    print(
      `an epoch of ${values["epoch-images"]} images, ${method}: median ${median(list).toFixed(2)} s (${list.map((each) => each.toFixed(2)).join(", ")})`,
    );
  }
  const ratios = seconds.hire.map((value, round) => value / seconds.traditional[round]);
  print(
    `an epoch of hire / one of traditional: median ${median(ratios).toFixed(3)} (${ratios.map((each) => each.toFixed(3)).join(", ")})`,
  );
}

/** Seconds of a pass without the gradient by the images, and of one with it. */
async function passes({ native, network }, { images, labels, samples, Tensor }) {
  const batch = Tensor.from(images, [labels.length, ...network.inputShape]);
  const signed = new Int32Array(samples.buffer);
  const took = [];
  for (const wanted of [false, true]) {
    const started = performance.now();
    await native.pass(Tensor.toNative(batch), labels, signed, 0, wanted, [0, 0]);
    took.push((performance.now() - started) / 1000);
  }
  batch.dispose();
  return took;
}

/** Seconds of a step in PyTorch: the median of three. */
async function pytorch(values, checkpoint) {
  const python = await referencePython();
  const args = ["train_speed.py", values.network, checkpoint, "--steps", "3", "--threads", values.threads];
  args.push("--batch", values.batch, "--timesteps", values.timesteps);
  const { code, stdout, stderr } = await capture(python, args, { cwd: referenceFolder });
  if (code !== 0) throw new SetupError(`The reference failed: ${stderr}`);
  const { seconds, difference } = JSON.parse(stdout);
  if (!(difference < 1e-2))
    throw new SetupError(`The two arrangements of the reference differ by ${difference}`);
  return seconds.toSorted((a, b) => a - b)[1];
}
