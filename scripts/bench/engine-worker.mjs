// The package as a contender, in a process of its own and by its public interface alone. Commands on stdin, one JSON object a line,
// answers alike on stdout; those that the Python peers have too are described in python/worker.py.
//
//   load     ... -> {seconds, residentBefore, residentAfter, identity}
//   profile  {batch} -> {layers}   each layer's kernel, density and times in a pass and a gradient
//   rates    {batch} -> {layers}   spikes of each layer
//   timer    {batch, steps} -> {seconds, ticks, latest}   lateness of a 10 ms timer during an attack
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

const { crossEntropy, evaluate, loadClassifier, openDataset, pgd, runtimeIdentity, setThreads, Tensor } =
  createRequire(import.meta.url)("../../lib/index.js");

/** The original's, as in the preset "hire". */
const attack = { epsilon: 0.031, stepSize: 0.01 };
const timerMilliseconds = 10;

/** `npm run bench -- --instructions SET` */
const { HIRE_SNN_BENCH_INSTRUCTIONS: instructionSet } = process.env;
const kernels = instructionSet === undefined ? undefined : { instructionSet };

let state;

const commands = {
  async load({ checkpoint, dataset: name, data, timesteps, threads }) {
    state?.classifier.dispose();
    await state?.dataset.close();
    setThreads(threads);
    // The addon and libtorch are not part of what a checkpoint takes.
    Tensor.from(new Float32Array(1), [1]).dispose();
    const dataset = await openDataset(name, { data });
    const { residentBytes: residentBefore } = memory();
    const started = performance.now();
    const { mean, std } = dataset;
    const classifier = await loadClassifier(checkpoint, { timesteps, mean, std, kernels });
    const seconds = secondsSince(started);
    const { residentBytes: residentAfter } = memory();
    state = { classifier, dataset };
    return { seconds, residentBefore, residentAfter, identity: classifier.identity };
  },

  async forward({ batch }) {
    const { images } = await read(batch);
    const started = performance.now();
    const logits = await state.classifier.logits(images);
    const seconds = secondsSince(started);
    logits.dispose();
    images.dispose();
    return { seconds };
  },

  async step({ batch, steps = 1 }) {
    const { images, labels } = await read(batch);
    const started = performance.now();
    const { images: moved } = await pgd(state.classifier, images, labels, {
      ...attack,
      steps,
      randomStart: false,
    });
    await moved.data(); // The update is queued: its value is what takes the time.
    const seconds = secondsSince(started);
    moved.dispose();
    images.dispose();
    return { seconds };
  },

  async protocol({ samples }) {
    const { classifier: target, dataset } = state;
    const started = performance.now();
    const { results } = await evaluate({
      target,
      dataset,
      attacks: "hire",
      samples,
      batchSize: 32,
      seed: 0,
    });
    const seconds = secondsSince(started);
    const correct = Object.fromEntries(results.map((result) => [result.attack, result.correct]));
    return { seconds, correct, by: "evaluate()" };
  },

  async check({ batch, folder }) {
    mkdirSync(folder, { recursive: true });
    const { images, labels } = await read(batch);
    const logits = await state.classifier.logits(images);
    writeFileSync(join(folder, "logits"), bytesOf(await logits.data()));
    logits.dispose();
    const found = await state.classifier.inputGradient(images, crossEntropy(labels));
    writeFileSync(join(folder, "gradient"), bytesOf(await found.gradient.data()));
    for (const tensor of [found.gradient, found.losses, found.logits]) tensor.dispose();
    const layers = [];
    for (const { layer, current, membrane, output } of await state.classifier.trace(images)) {
      if (layer.kind !== "average-pool") {
        const values = await output.data();
        const { packed, spikes } = packBits(values);
        writeFileSync(join(folder, `${layer.name}.spikes`), packed);
        layers.push({ name: layer.name, neuronSteps: values.length, spikes });
      }
      for (const tensor of [current, membrane, output]) tensor?.dispose();
    }
    images.dispose();
    return { layers };
  },

  async rates({ batch }) {
    const { images } = await read(batch);
    const { logits, spikes } = await state.classifier.logitsAndSpikes(images);
    logits.dispose();
    images.dispose();
    const { layers, timesteps, counts } = spikes;
    return {
      layers: layers.map(({ name, kind, neurons }, layer) => {
        let fired = 0;
        for (let image = 0; image < batch; image++) {
          for (let t = 0; t < timesteps; t++)
            fired += counts[(image * layers.length + layer) * timesteps + t];
        }
        return { name, kind, neurons, rate: fired / (batch * timesteps * neurons) };
      }),
    };
  },

  async profile({ batch }) {
    // Twice: a layer's times are those of the last pass over it, and the first one warms the caches.
    await commands.step({ batch });
    await commands.step({ batch });
    const layers = await state.classifier.profile();
    const byName = new Map(state.classifier.network.layers.map((layer) => [layer.name, layer]));
    return { layers: layers.map((layer) => ({ ...layer, macs: macsOf(byName.get(layer.name)) })) };
  },

  async timer({ batch, steps }) {
    await commands.step({ batch });
    let latest = 0;
    let ticks = 0;
    let expected = performance.now() + timerMilliseconds;
    let timer;
    const tick = () => {
      const now = performance.now();
      latest = Math.max(latest, now - expected);
      ticks++;
      expected = performance.now() + timerMilliseconds;
      timer = setTimeout(tick, timerMilliseconds);
    };
    timer = setTimeout(tick, timerMilliseconds);
    const { seconds } = await commands.step({ batch, steps });
    // One that is due but did not get its turn counts too.
    latest = Math.max(latest, performance.now() - expected);
    clearTimeout(timer);
    return { seconds, ticks, latestMilliseconds: latest };
  },

  memory: async () => memory(),
  versions: async () => ({ node: process.version, ...runtimeIdentity() }),
};

async function read(batch) {
  const { dataset } = state;
  const { images, labels } = await dataset.read(0, batch);
  if (labels.length !== batch)
    throw new Error(`Expected ${batch} images in ${dataset.name} but found ${labels.length}`);
  return { images: Tensor.from(images, [batch, ...dataset.imageShape]), labels };
}

/** Multiply-accumulates of one image and time step, as a dense layer would make them. */
function macsOf({ kind, inputShape, outputShape, kernel }) {
  const size = (shape) => shape.reduce((product, side) => product * side, 1);
  return kind === "conv"
    ? size(outputShape) * inputShape[0] * kernel * kernel
    : size(inputShape) * size(outputShape);
}

/** As NumPy's packbits: the first value in the highest bit. */
function packBits(values) {
  const packed = new Uint8Array(Math.ceil(values.length / 8));
  let spikes = 0;
  for (let i = 0; i < values.length; i++) {
    if (values[i] === 0) continue;
    packed[i >> 3] |= 128 >> (i & 7);
    spikes++;
  }
  return { packed, spikes };
}

function bytesOf(values) {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** Not maxRSS: on Linux that of a new process begins with its parent's. */
function memory() {
  try {
    const status = readFileSync("/proc/self/status", "utf8");
    const kilobytes = (name) => Number(new RegExp(`^${name}:\\s*(\\d+) kB`, "m").exec(status)[1]);
    return { residentBytes: kilobytes("VmRSS") * 1024, peakBytes: kilobytes("VmHWM") * 1024 };
  } catch {
    return { residentBytes: process.memoryUsage.rss(), peakBytes: process.resourceUsage().maxRSS * 1024 };
  }
}

function secondsSince(started) {
  return (performance.now() - started) / 1000;
}

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  let answer;
  try {
    answer = await commands[order.command](order);
  } catch (error) {
    process.stderr.write(`${order.command}: ${error.stack}\n`);
    answer = { error: error.message };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
