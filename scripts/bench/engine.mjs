// Our side of `npm run bench`: as peers.py serve, by the library's own interface.
//
//   node scripts/bench/engine.mjs NETWORK FILE DATA --batch 32 --threads 2 --timesteps 8
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

const { loadClassifier, openDataset, pgd, setThreads, Tensor } = createRequire(import.meta.url)(
  "../../lib/index.js",
);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    batch: { type: "string", default: "32" },
    threads: { type: "string", default: "2" },
    timesteps: { type: "string", default: "8" },
  },
});
const [network, file, data] = positionals;
const count = Number(values.batch);
setThreads(Number(values.threads));
const dataset = await openDataset("cifar100", { data });
const { mean, std } = dataset;
const classifier = await loadClassifier(file, { network, mean, std, timesteps: Number(values.timesteps) });
const { images: pixels, labels } = await dataset.read(0, count);
const images = Tensor.from(pixels, [count, ...dataset.imageShape]);

const work = {
  async forward() {
    const logits = await classifier.logits(images);
    await logits.data();
    logits.dispose();
  },
  async step() {
    const { images: attacked } = await pgd(classifier, images, labels, {
      ...{ epsilon: 0.031, steps: 1, stepSize: 0.01, randomStart: false },
    });
    await attacked.data();
    attacked.dispose();
  },
};

const answers = {
  async check() {
    const { logits, spikes } = await classifier.logitsAndSpikes(images);
    const { layers, timesteps, counts } = spikes;
    const sums = layers.map((layer, index) => {
      let sum = 0;
      for (let image = 0; image < count; image++) {
        const from = (image * layers.length + index) * timesteps;
        for (let t = from; t < from + timesteps; t++) sum += counts[t];
      }
      return { kind: layer.kind, sum };
    });
    return {
      logits: [...(await logits.data())],
      spikes: sums.filter(({ kind }) => kind !== "average-pool").map(({ sum }) => sum),
    };
  },
  profile: async () => ({ kernels: classifier.kernels, layers: await classifier.profile() }),
  memory: async () => ({ peakBytes: process.resourceUsage().maxRSS * 1024 }),
};

const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
say({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  const command = line.trim();
  if (answers[command]) {
    say(await answers[command]());
    continue;
  }
  const started = performance.now();
  await work[command]();
  say({ seconds: (performance.now() - started) / 1000 });
}
classifier.dispose();
await dataset.close();
