#!/usr/bin/env node
// Times how thresholds are found: `node scripts/bench-calibration.mjs CHECKPOINT [--network vgg5] [--dataset cifar10] [--data FOLDER]
// [--images 512] [--timesteps 100] [--rounds 3] [--threads 2] [--engines events,plain]`.
//
// A round finds them on the same images over events and on libtorch's dense layers; --engines says on which, and knows float64 as well.
// Thresholds are printed before they are scaled, and how far those of each two engines are apart, layer by layer.
import { loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { main } from "./setup/main.mjs";
import { root } from "./setup/project.mjs";
import { SetupError } from "./setup/report.mjs";

await main(async (args) => {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      network: { type: "string", default: "vgg5" },
      dataset: { type: "string", default: "cifar10" },
      data: { type: "string" },
      images: { type: "string", default: "512" },
      timesteps: { type: "string", default: "100" },
      rounds: { type: "string", default: "3" },
      threads: { type: "string", default: "2" },
      engines: { type: "string", default: "events,plain" },
    },
  });
  const [checkpointPath] = positionals;
  if (checkpointPath === undefined) throw new SetupError("Expected a checkpoint of the network");
  const library = (path) => import(join(root, "lib", path));
  const [
    { openCheckpoint },
    { openDataset },
    { networkToTrain },
    { parametersOf },
    { resolveSettings },
    { TrainedNetwork },
    { setThreads },
  ] = await Promise.all(
    [
      "checkpoint/open-checkpoint.js",
      "datasets/open-dataset.js",
      "training/training-network.js",
      "networks/network-parameters.js",
      "training/options.js",
      "training/trained-network.js",
      "native/addon.js",
    ].map(library),
  );
  setThreads(Number(values.threads));
  const checkpoint = openCheckpoint(checkpointPath);
  const dataset = await openDataset(values.dataset, { data: values.data, split: "train" });
  const network = networkToTrain(values.network, dataset);
  const { images } = await dataset.read(0, Number(values.images));
  const samples = Uint32Array.from({ length: Number(values.images) }, (_, index) => index);
  const { mean, std } = dataset;
  const calibration = { images: samples.length, timesteps: Number(values.timesteps), scale: 1 };
  const engines = values.engines.split(",");
  const seconds = Object.fromEntries(engines.map((engine) => [engine, []]));
  const found = {};
  const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(2)} GB`;
  const print = (text) => process.stdout.write(`${text}\n`);
  print(
    `${network.name}, ${values.images} images, ${values.timesteps} time steps, ${values.threads} threads`,
  );
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const engine of round % 2 ? engines : engines.toReversed()) {
      const settings = await resolveSettings(
        { method: "traditional", network: values.network, plain: engine !== "events", calibration },
        { datasetName: values.dataset, images: dataset.length },
      );
      const weights = parametersOf(checkpoint);
      const double = engine === "float64";
      const trained = await TrainedNetwork.create({
        ...{ network, mean, std, settings, seed: 0, weights, dtype: double ? "float64" : "float32" },
      });
      const shown = double ? Float64Array.from(images) : images;
      const before = process.memoryUsage.rss();
      const started = performance.now();
      found[engine] = await trained.calibrate(shown, samples, settings.calibration, undefined);
      seconds[engine].push((performance.now() - started) / 1000);
      trained[Symbol.dispose]();
      print(
        `round ${round}, ${engine}: ${seconds[engine].at(-1).toFixed(2)} s, thresholds ${found[engine].join(", ")}; ` +
          `load ${loadavg()[0].toFixed(1)}; memory ${gigabytes(before)} before, ${gigabytes(process.resourceUsage().maxRSS * 1024)} at most so far`,
      );
    }
  }
  await dataset.close();
  for (const [i, one] of engines.entries()) {
    for (const other of engines.slice(i + 1)) {
      const ratios = seconds[other].map((value, round) => value / seconds[one][round]).sort((a, b) => a - b);
      const apart = found[one].map((value, layer) =>
        Math.abs(value / found[other][layer] - 1).toExponential(1),
      );
      print(
        `${other} / ${one}: median ${ratios[ratios.length >> 1].toFixed(1)} (${ratios[0].toFixed(1)} to ${ratios.at(-1).toFixed(1)}); ` +
          `thresholds are apart by ${apart.join(", ")}`,
      );
    }
  }
});
