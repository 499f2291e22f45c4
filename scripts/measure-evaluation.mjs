// Our side of scripts/compare-original.mjs: the white-box preset by the library's own interface.
//
//   node scripts/measure-evaluation.mjs CHECKPOINT NETWORK DATASET DATA --samples N [--threads N]
//
// Prints JSON: correct predictions, seconds without loading, and peak resident memory of this process.
import { createRequire } from "node:module";
import { parseArgs } from "node:util";

const { evaluate, getThreads, loadClassifier, openDataset, setThreads } = createRequire(import.meta.url)(
  "../lib/index.js",
);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    samples: { type: "string" },
    threads: { type: "string" },
    timesteps: { type: "string", default: "8" },
  },
});
const [checkpoint, network, name, data] = positionals;
const samples = Number(values.samples);
if (values.threads) setThreads(Number(values.threads));

const dataset = await openDataset(name, { data });
const { mean, std } = dataset;
const target = await loadClassifier(checkpoint, { network, timesteps: Number(values.timesteps), mean, std });
const started = performance.now();
const { results } = await evaluate({ target, dataset, attacks: "hire", samples, batchSize: 32, seed: 0 });
const seconds = (performance.now() - started) / 1000;
target.dispose();
await dataset.close();

const correct = Object.fromEntries(results.map((result) => [result.attack, result.correct]));
// Node gives kilobytes on every system.
const peakBytes = process.resourceUsage().maxRSS * 1024;
process.stdout.write(`${JSON.stringify({ correct, seconds, peakBytes, threads: getThreads() })}\n`);
