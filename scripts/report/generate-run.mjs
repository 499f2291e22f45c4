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
      JSON.stringify(row(sample, label, hardness, attack, random)),
    );
    if (!stream.write(`${rows.join("\n")}\n`)) await new Promise((resolve) => stream.once("drain", resolve));
  }
  await new Promise((resolve, reject) => stream.on("error", reject).end(resolve));
}

function row(sample, label, hardness, attack, random) {
  const epsilon = attack?.threatModel.epsilon ?? 0;
  const steps = attack?.parameters.steps ?? 0;
  const margin = 1 - 0.1 * random() - hardness * (0.1 + 60 * epsilon * (1 - 1 / (1 + steps)));
  const correct = margin > 0;
  const total = Math.round(4000 * (1 + epsilon * 4));
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
    spikes: layerSizes.map(([, , neurons]) =>
      Array.from({ length: timesteps }, (_, t) =>
        Math.round((neurons / 65536) * total * (0.5 + t / 8) * (0.9 + 0.2 * random())),
      ),
    ),
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
