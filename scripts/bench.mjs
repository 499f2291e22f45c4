#!/usr/bin/env node
// Times the engine beside its peers in PyTorch, in one run, and writes bench/results/: `npm run bench`.
//
//   node scripts/bench.mjs [--rounds 5] [--peers original,layered,compiled] [--network VGG11] [--batch 32]
//
// VGG11 with initial weights on real CIFAR-100 images, thresholds at 60 % and at 30 % of the 99.7th percentile, T = 8, 2 threads.
// In each round every contender does one forward pass and one PGD step, in turn; ratios are taken within a round, so that a
// disturbance hits both sides, and their median is reported. Then the engine alone with one factor varied at a time.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { cifarFolder } from "./reference/data.mjs";
import { referencePython } from "./reference/environment.mjs";
import { main } from "./setup/main.mjs";
import { root } from "./setup/project.mjs";
import { elapsedSeconds, say, SetupError } from "./setup/report.mjs";

const peersScript = join(root, "scripts", "bench", "peers.py");
const engineScript = join(root, "scripts", "bench", "engine.mjs");
const names = {
  original: "original, step by step in PyTorch",
  layered: "layer by layer in PyTorch",
  compiled: "the same, neurons through torch.compile",
};
const notRun = "SpikingJelly multi-step is not among the peers yet.";

await main(async (args) => {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: "string", default: "5" },
      peers: { type: "string", default: "original,layered,compiled" },
      network: { type: "string", default: "VGG11" },
      batch: { type: "string", default: "32" },
    },
  });
  const peers = values.peers.split(",");
  const { folder: data, missing } = await cifarFolder();
  if (missing !== null) throw new SetupError(`Expected the CIFAR data but ${missing}.`);
  const python = await referencePython();
  const folder = mkdtempSync(join(tmpdir(), "hire-snn-bench-"));
  const setting = { python, data, folder, batch: values.batch };
  try {
    const tables = [];
    for (const scale of [0.6, 0.3]) {
      tables.push(
        await compare({ ...setting, network: values.network, scale, peers, rounds: Number(values.rounds) }),
      );
    }
    const sweep = await varyOneFactor({ ...setting, network: values.network, rounds: Number(values.rounds) });
    const memory = await peakMemory({ ...setting, network: values.network, peer: "layered" });
    const machine = {
      cpu: cpus()[0].model,
      cores: cpus().length,
      memoryBytes: totalmem(),
      node: process.version,
    };
    const result = { machine, date: new Date().toISOString(), tables, sweep, memory, notes: [notRun] };
    const file = join(root, "bench", "results", machine.cpu.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-"));
    mkdirSync(join(root, "bench", "results"), { recursive: true });
    writeFileSync(`${file}.json`, `${JSON.stringify(result, null, 2)}\n`);
    const text = describe(result);
    writeFileSync(`${file}.md`, text);
    process.stdout.write(text);
    say(`written to ${file}.md and .json (${elapsedSeconds()} s)`);
    const insane = tables.filter(({ sane }) => sane === false);
    if (insane.length > 0) {
      throw new SetupError(
        "Expected the original to take 1.2 to 2 times as long as the network layer by layer in a forward pass, and 0.95 to 1.5 " +
          "times in a step, but it does not: the reference or the machine is not what the figures assume.",
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** A process that answers commands with JSON lines. */
class Contender {
  static async start(program, args) {
    const contender = new Contender(program, args);
    contender.first = await contender.#answer();
    return contender;
  }

  /** What it said when it was ready. */
  first;

  #child;
  #lines;

  constructor(program, args) {
    // Threads that wait asleep: contenders that are not their turn must not take the cores.
    const env = { ...process.env, OMP_WAIT_POLICY: "passive", KMP_BLOCKTIME: "0" };
    this.#child = spawn(program, args, { cwd: root, env, stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async ask(command) {
    this.#child.stdin.write(`${command}\n`);
    return await this.#answer();
  }

  async #answer() {
    const { value, done } = await this.#lines.next();
    if (done) throw new SetupError(`${this.#child.spawnargs.join(" ")} ended; see its output above.`);
    return JSON.parse(value);
  }

  async end() {
    this.#child.stdin.end();
    await new Promise((resolve) => this.#child.once("close", resolve));
  }
}

function startPeer({ python, data, network, file, batch }, peer) {
  return Contender.start(python, [peersScript, "serve", peer, network, file, data, "--batch", batch]);
}

function startEngine({ data, network, file, batch, threads = "2", timesteps = "8" }) {
  const options = ["--batch", batch, "--threads", threads, "--timesteps", timesteps];
  return Contender.start(process.execPath, [engineScript, network, file, data, ...options]);
}

/** A checkpoint in the original's form, with the rate of each layer of neurons on 16 images. */
async function makeNetwork({ python, data, folder, network, scale }) {
  const file = join(folder, `${network}-${scale}.pt`);
  say(`making ${network}, thresholds x ${scale}`);
  const args = [peersScript, "make", network, data, file, "--scale", String(scale)];
  const maker = await Contender.start(python, args);
  await maker.end();
  return { file, size: statSync(file).size, rates: maker.first.rates };
}

async function compare(setting) {
  const { file, rates } = await makeNetwork(setting);
  const { peers, rounds, scale, network, batch } = setting;
  const contenders = {};
  for (const peer of peers) {
    say(`starting ${names[peer]}`);
    contenders[peer] = await startPeer({ ...setting, file }, peer);
  }
  contenders["hire-snn"] = await startEngine({ ...setting, file });
  const times = Object.fromEntries(Object.keys(contenders).map((name) => [name, { forward: [], step: [] }]));
  const checks = {};
  for (const [name, contender] of Object.entries(contenders)) checks[name] = await contender.ask("check");
  for (let round = 0; round <= rounds; round++) {
    for (const [name, contender] of Object.entries(contenders)) {
      for (const work of ["forward", "step"]) {
        const { seconds } = await contender.ask(work);
        if (round > 0) times[name][work].push(seconds); // the first compiles and allocates
      }
    }
    say(`x ${scale}: round ${round} of ${rounds} (${elapsedSeconds()} s)`);
  }
  const { layers, kernels } = await contenders["hire-snn"].ask("profile");
  for (const contender of Object.values(contenders)) await contender.end();

  const ours = times["hire-snn"];
  const rows = Object.entries(times).map(([name, { forward, step }]) => ({
    name,
    forward: spread(forward),
    step: spread(step),
    forwardRatio: spread(forward.map((seconds, i) => seconds / ours.forward[i])),
    stepRatio: spread(step.map((seconds, i) => seconds / ours.step[i])),
    differingSpikes: differingSpikes(checks[name], checks["hire-snn"]),
  }));
  const layered = times.layered;
  const original = times.original;
  const ratioTo = (work) => spread(original[work].map((seconds, i) => seconds / layered[work][i])).median;
  const sane =
    layered && original
      ? within(ratioTo("forward"), 1.2, 2) && within(ratioTo("step"), 0.95, 1.5)
      : undefined;
  return {
    network,
    scale,
    batch: Number(batch),
    rounds,
    kernels,
    rows,
    layers,
    rates,
    ...(sane !== undefined && { sane }),
  };
}

function within(value, least, most) {
  return value >= least && value <= most;
}

/** The sum over layers of the difference of their numbers of spikes, as a share of all. */
function differingSpikes(a, b) {
  const all = b.spikes.reduce((sum, count) => sum + count, 0);
  return a.spikes.reduce((sum, count, i) => sum + Math.abs(count - b.spikes[i]), 0) / all;
}

async function varyOneFactor(setting) {
  const { rounds } = setting;
  const variants = [
    { threads: "1" },
    { batch: "1" },
    { batch: "8" },
    { batch: "128" },
    { timesteps: "4" },
    { timesteps: "16" },
    { network: "VGG5" },
    { network: "VGG16" },
  ];
  const results = [];
  for (const variant of variants) {
    const one = { ...setting, scale: 0.6, ...variant };
    const { file } = await makeNetwork(one);
    const engine = await startEngine({ ...one, file });
    const times = { forward: [], step: [] };
    for (let round = 0; round <= rounds; round++) {
      for (const work of ["forward", "step"]) {
        const { seconds } = await engine.ask(work);
        if (round > 0) times[work].push(seconds);
      }
    }
    await engine.end();
    results.push({ ...variant, forward: spread(times.forward), step: spread(times.step) });
  }
  return results;
}

/** Peak resident memory of one PGD step at batch 128, each side in a process of its own. */
async function peakMemory(setting) {
  const one = { ...setting, scale: 0.6, batch: "128" };
  const { file, size } = await makeNetwork(one);
  const measured = { checkpointBytes: size };
  for (const [name, start] of [
    ["layered", () => startPeer({ ...one, file }, "layered")],
    ["hire-snn", () => startEngine({ ...one, file })],
  ]) {
    say(`peak memory: ${name}`);
    const contender = await start();
    await contender.ask("step");
    const { peakBytes } = await contender.ask("memory");
    await contender.ask("step");
    await contender.ask("step");
    measured[name] = { peakBytes, peakBytesAfterThree: (await contender.ask("memory")).peakBytes };
    await contender.end();
  }
  return measured;
}

function spread(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, least: sorted[0], most: sorted.at(-1) };
}

function describeRates(rates) {
  const all = Object.values(rates);
  const mean = all.reduce((sum, rate) => sum + rate, 0) / all.length;
  const each = Object.entries(rates).map(([name, rate]) => `${name} ${(100 * rate).toFixed(1)}`);
  return `${each.join(", ")}; mean of the layers ${(100 * mean).toFixed(1)}`;
}

function describe({ machine, date, tables, sweep, memory, notes }) {
  const seconds = ({ median, least, most }) =>
    `${median.toFixed(3)} s (${least.toFixed(3)} to ${most.toFixed(3)})`;
  const times = ({ median, least, most }) =>
    `${median.toFixed(1)} (${least.toFixed(1)} to ${most.toFixed(1)})`;
  const mebibytes = (bytes) => `${Math.round(bytes / 2 ** 20)} MiB`;
  const parts = [
    `# ${machine.cpu}, ${machine.cores} cores, ${date.slice(0, 10)}\n\n` +
      "`npm run bench`. Medians with the least and the most; ratios are medians over rounds of the peer's time divided by ours.\n" +
      `${notes.join("\n")}\n`,
  ];
  for (const { network, scale, batch, rounds, kernels, rows, layers, rates, sane } of tables) {
    parts.push(
      `## ${network}, T = 8, batch ${batch}, 2 threads, thresholds x ${scale}, ${rounds} rounds\n\n` +
        "| | forward | PGD step | forward, times ours | step, times ours | spikes that differ |\n|---|---|---|---|---|---|\n" +
        rows
          .map(
            (row) =>
              `| ${names[row.name] ?? row.name} | ${seconds(row.forward)} | ${seconds(row.step)} | ${times(row.forwardRatio)} | ` +
              `${times(row.stepRatio)} | ${(100 * row.differingSpikes).toFixed(4)} % |\n`,
          )
          .join("") +
        (sane === false
          ? "\nThe original is not in the expected relation to the network layer by layer.\n"
          : "") +
        `\nSpikes per neuron and time step, %: ${describeRates(rates)}\n` +
        `\n${kernels}\n\n| layer | input density | forward | ms | gradient | ms |\n|---|---|---|---|---|---|\n` +
        layers
          .map(
            (layer) =>
              `| ${layer.name} | ${layer.density.toFixed(3)} | ${layer.forward} | ${(1e3 * layer.forwardSeconds).toFixed(1)} | ` +
              `${layer.backward} | ${(1e3 * layer.backwardSeconds).toFixed(1)} |\n`,
          )
          .join(""),
    );
  }
  parts.push(
    "## hire-snn with one factor varied\n\n| | forward | PGD step |\n|---|---|---|\n" +
      sweep
        .map(({ forward, step, ...variant }) => {
          const what = Object.entries(variant).map(([key, value]) => `${key} ${value}`);
          return `| ${what.join(", ")} | ${seconds(forward)} | ${seconds(step)} |\n`;
        })
        .join(""),
  );
  parts.push(
    "## Peak memory of a PGD step, batch 128\n\n| | after one step | after three |\n|---|---|---|\n" +
      ["layered", "hire-snn"]
        .map(
          (name) =>
            `| ${names[name] ?? name} | ${mebibytes(memory[name].peakBytes)} | ${mebibytes(memory[name].peakBytesAfterThree)} |\n`,
        )
        .join("") +
      `\nThe checkpoint has ${mebibytes(memory.checkpointBytes)}.\n`,
  );
  return parts.join("\n");
}
