// The folder of a run that never took place, with as many rows as a long one: what a report's time, size and memory are measured on.
// Every number follows from the counts alone.
//
//   node scripts/report/generate-run.mjs FOLDER [SAMPLES]
import { createWriteStream } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const epsilons = [1, 2, 4, 6, 8, 12, 16].map((levels) => levels / 255);
const stepCounts = [1, 3, 5, 7, 10, 20, 50];
const timesteps = 8;
const layerSizes = [
  ["conv1", "conv", 65536],
  ["pool1", "average-pool", 16384],
  ["conv2", "conv", 32768],
  ["conv3", "conv", 65536],
  ["pool2", "average-pool", 16384],
  ["conv4", "conv", 32768],
  ["conv5", "conv", 32768],
  ["conv6", "conv", 32768],
  ["pool3", "average-pool", 8192],
  ["conv7", "conv", 8192],
  ["conv8", "conv", 8192],
  ["linear1", "linear", 4096],
  ["linear2", "linear", 4096],
];

/** Maps of the layers at one time step, [C, H, W]: what their connections follow from. */
const shapes = {
  ...{
    image: [3, 32, 32],
    conv1: [64, 32, 32],
    pool1: [64, 16, 16],
    conv2: [128, 16, 16],
    conv3: [256, 16, 16],
  },
  ...{ pool2: [256, 8, 8], conv4: [512, 8, 8], conv5: [512, 8, 8], conv6: [512, 8, 8], pool3: [512, 4, 4] },
  ...{ conv7: [512, 4, 4], conv8: [512, 4, 4], linear1: [4096, 1, 1], linear2: [4096, 1, 1] },
};

function connectionsTo(classes) {
  const layers = [["image"], ...layerSizes, ["output", "linear"]];
  return layers.flatMap(([to, kind], i) => {
    if (i === 0 || kind === "average-pool") return [];
    const [from, kindBefore] = layers[i - 1];
    const pools = kindBefore === "average-pool" ? 1 : 0;
    return {
      ...{ from, to, kind, ...(kind === "conv" && { kernel: 3, stride: 1 }) },
      ...{ inputShape: shapes[from], outputShape: shapes[to] ?? [classes, 1, 1] },
      ...{ neurons: layers[i - 1 - pools][0], pools },
    };
  });
}

/** Writes the run: clean and 49 attacks on each of `samples` images, 50 rows a sample. */
export async function generateRun(folder, { samples = 10_000, classes = 10 } = {}) {
  const attacks = epsilons.flatMap((epsilon) =>
    stepCounts.map((steps) => ({
      id: `pgd:epsilon=${epsilon},steps=${steps},step-size=0.007,random-start=true`,
      name: "pgd",
      threatModel: { norm: "Linf", epsilon },
      parameters: { epsilon, steps, stepSize: 0.007, randomStart: true },
    })),
  );
  const connections = connectionsTo(classes);
  await mkdir(folder, { recursive: true });
  const config = {
    schemaVersion: 2,
    identity: {
      version: "generated",
      target: {
        classes,
        inputShape: [3, 32, 32],
        timesteps,
        layers: layerSizes.map(([name, kind, neurons]) => ({ name, kind, neurons })),
        connections,
        network: "VGG11",
      },
      source: null,
      dataset: { name: "generated", split: "test", sha256: "0".repeat(64), samples },
      attacks,
      seed: 0,
    },
    execution: {
      target: { name: "generated.pt", path: null },
      source: null,
      startedAt: "2020-01-01T00:00:00.000Z",
    },
  };
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
  await writeFile(join(folder, "results.json"), JSON.stringify({ ...config, note: null, warnings: [] }));
  const stream = createWriteStream(join(folder, "ledger.jsonl"));
  const random = mulberry32(1);
  for (let sample = 0; sample < samples; sample++) {
    const label = sample % classes;
    const hardness = random();
    const rows = [null, ...attacks].map((attack) =>
      JSON.stringify(row({ sample, label, hardness, attack, connections, random })),
    );
    if (!stream.write(`${rows.join("\n")}\n`)) await new Promise((resolve) => stream.once("drain", resolve));
  }
  await new Promise((resolve, reject) => stream.on("error", reject).end(resolve));
}

function row({ sample, label, hardness, attack, connections, random }) {
  const epsilon = attack?.threatModel.epsilon ?? 0;
  const steps = attack?.parameters.steps ?? 0;
  const margin = 1 - 0.1 * random() - hardness * (0.1 + 60 * epsilon * (1 - 1 / (1 + steps)));
  const correct = margin > 0;
  const total = Math.round(4000 * (1 + epsilon * 4));
  const spikes = layerSizes.map(([, , neurons]) =>
    Array.from({ length: timesteps }, (_, t) =>
      Math.round((neurons / 65536) * total * (0.5 + t / 8) * (0.9 + 0.2 * random())),
    ),
  );
  // Weights that the counted outputs reach in each channel, as if none lay at a border; behind a pool also the spikes in front of it.
  const reached = connections.slice(1).map(({ from, kind }) => {
    const layer = layerSizes.findIndex(([name]) => name === from);
    const sum = spikes[layer].reduce((all, count) => all + count, 0) * (kind === "conv" ? 9 : 1);
    return layerSizes[layer][1] === "average-pool" ? [sum, 2 * sum] : [sum];
  });
  return {
    ...{ sample, label, attack: attack?.id ?? "clean", access: attack ? "white" : "none", valid: true },
    ...{
      prediction: correct ? label : (label + 1) % 10,
      rank: correct ? 0 : 1,
      margin,
      loss: Math.log1p(Math.exp(-margin)),
    },
    ...{ linf: epsilon, l2: epsilon * 40, tie: false, zeroGradient: 0 },
    firstSuccess: attack && !correct ? Math.min(steps, 1 + Math.floor(steps * random())) : null,
    ...{ spikes, reached },
  };
}

/** Tommy Ettinger's generator of 32 bits: the same everywhere. */
function mulberry32(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let z = Math.imul(state ^ (state >>> 15), 1 | state);
    z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z;
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [folder, samples] = process.argv.slice(2);
  if (!folder) throw new Error("Expected the folder to write");
  await generateRun(folder, { samples: samples ? Number(samples) : undefined });
}
