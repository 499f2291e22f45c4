#!/usr/bin/env node
// Accuracy against the number of time steps for direct and rate coding: `node scripts/coding-figures.mjs [--out DIR]`.
//
// The demo's network, which was trained with direct coding, on the demo's images, clean and under the original's attacks. Rate coding
// shows numbers from -1 to 1, so the images are divided by the range of the data set's normalised pixels and the first layer's weights
// are multiplied by it: over time, the mean of what the network then receives is what direct coding shows it.
//
// Prints a table in Markdown; --out DIR writes it to coding.md and the evaluations' results to coding.json.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  demo,
  evaluate,
  loadClassifier,
  openCheckpoint,
  openDataset,
  SpikingClassifier,
} from "../lib/index.js";

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    samples: { type: "string", default: "320" },
    seed: { type: "string", default: "0" },
    timesteps: { type: "string", default: "1,2,4,8,16,32,64,128" },
  },
});
const samples = Number(values.samples);
const seed = Number(values.seed);
const steps = values.timesteps.split(",").map(Number);

const dataset = await openDataset("shapes", { data: demo.data });
/** The largest magnitude of a normalised pixel. */
const range = Math.max(...dataset.mean.map((mean, c) => Math.max(mean, 1 - mean) / dataset.std[c]));
const trained = await loadClassifier(demo.target, dataset);
const { network } = trained;
trained.dispose();
const firstWeight = network.layers[0].keys.weight;

const figures = [];
for (const coding of ["direct", "rate"]) {
  for (const timesteps of steps) {
    const target =
      coding === "direct"
        ? await loadClassifier(demo.target, statistics(timesteps))
        : await rateCoded(timesteps);
    const { results } = await evaluate({
      target,
      dataset,
      attacks: "hire",
      samples,
      seed,
      allowZeroGradient: true,
    });
    target.dispose();
    for (const { attack, access, correct, n, top1, interval, spikes, zeroGradient } of results) {
      const neurons = spikes.filter(({ kind }) => kind !== "average-pool");
      const fired = neurons.reduce((sum, layer) => sum + layer.rate * layer.neurons * timesteps, 0);
      figures.push({
        coding,
        timesteps,
        attack,
        access,
        correct,
        n,
        top1,
        interval,
        zeroGradient: zeroGradient.samples,
        spikesPerImage: fired,
      });
    }
    process.stderr.write(
      `${coding}, ${timesteps} time steps: ${results.map(({ attack, top1 }) => `${attack} ${(100 * top1).toFixed(1)} %`).join(", ")}\n`,
    );
  }
}
await dataset.close();

const table = markdown(figures);
process.stdout.write(table);
if (values.out) {
  mkdirSync(values.out, { recursive: true });
  writeFileSync(join(values.out, "coding.md"), table);
  const record = { network: network.name, dataset: dataset.name, samples, seed, range, figures };
  writeFileSync(join(values.out, "coding.json"), `${JSON.stringify(record, undefined, 2)}\n`);
}

/** The demo's network with its first layer's weights multiplied by the range that the images are divided by. */
async function rateCoded(timesteps) {
  const checkpoint = openCheckpoint(demo.target);
  const weights = {
    read(key) {
      const { path, shape } = checkpoint.stateDict.tensors.get(key);
      const data = checkpoint.readFloat32(path);
      return { data: key === firstWeight ? data.map((weight) => weight * range) : data, shape };
    },
  };
  const std = dataset.std.map((value) => value * range);
  try {
    return await SpikingClassifier.create(network, weights, {
      ...{ timesteps, mean: dataset.mean, std, coding: "rate", codingSeed: seed },
    });
  } finally {
    checkpoint.close();
  }
}

function statistics(timesteps) {
  return { mean: dataset.mean, std: dataset.std, timesteps };
}

function markdown(rows) {
  const cell = ({ top1, zeroGradient, interval: [low, high] }) =>
    `${(100 * top1).toFixed(1)} (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})${zeroGradient > 0 ? `, no gradient on ${zeroGradient}` : ""}`;
  const lines = steps.flatMap((timesteps) =>
    ["direct", "rate"].map((coding) => {
      const of = (attack) =>
        rows.find((row) => row.coding === coding && row.timesteps === timesteps && row.attack === attack);
      const [clean, fgsm, pgd] = ["clean", "fgsm", "pgd"].map(of);
      return `| ${timesteps} | ${coding} | ${cell(clean)} | ${cell(fgsm)} | ${cell(pgd)} | ${Math.round(clean.spikesPerImage).toLocaleString("en")} |`;
    }),
  );
  return [
    "| T | coding | clean % | FGSM % | PGD % | spikes per clean image |",
    "| --: | :-- | --: | --: | --: | --: |",
    ...lines,
    "",
  ].join("\n");
}
