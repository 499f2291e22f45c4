#!/usr/bin/env node
// Time and memory of a white-box evaluation beside the original, one after the other on this machine:
//
//   node scripts/compare-original.mjs [--samples 1000] [--network vgg5] [--dataset cifar10] [--threads 2] [--rounds 1]
//
// The original is the Python reference of scripts/reference. Both load the same checkpoint, run clean, FGSM and PGD of the
// preset in batches of 32, and report their own seconds (loading excluded) and peak resident memory (all included). Prints a
// Markdown table. Run `npm run setup` first, and leave the machine alone meanwhile.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { cifarFolder } from "./reference/data.mjs";
import { referenceFolder, referencePython } from "./reference/environment.mjs";
import { main } from "./setup/main.mjs";
import { run } from "./setup/processes.mjs";
import { root } from "./setup/project.mjs";
import { say, SetupError } from "./setup/report.mjs";

await main(async (args) => {
  const { values } = parseArgs({
    args,
    options: {
      samples: { type: "string", default: "1000" },
      network: { type: "string", default: "vgg5" },
      dataset: { type: "string", default: "cifar10" },
      threads: { type: "string", default: "2" },
      rounds: { type: "string", default: "1" },
    },
  });
  const { network, dataset, samples, threads } = values;
  const { folder: data, missing } = await cifarFolder();
  if (missing !== null) throw new SetupError(`Expected the CIFAR data but ${missing}.`);
  const python = await referencePython();
  const folder = mkdtempSync(join(tmpdir(), "hire-snn-compare-"));
  try {
    const checkpoint = join(folder, `${network}.pt`);
    say(`making ${network} for ${dataset}`);
    const make = [join(referenceFolder, "make_checkpoint.py"), network, dataset, data, checkpoint];
    await run(python, make, { what: "make_checkpoint.py" });
    const original = [join(referenceFolder, "evaluate.py"), checkpoint, network, dataset, data];
    const ours = [
      join(root, "scripts", "measure-evaluation.mjs"),
      checkpoint,
      network.toUpperCase(),
      dataset,
      data,
    ];
    const rounds = [];
    for (let round = 1; round <= Number(values.rounds); round++) {
      const measured = {};
      for (const [name, program, script] of [
        ["original", python, original],
        ["hire-snn", process.execPath, ours],
      ]) {
        say(`round ${round}: ${name}`);
        measured[name] = await measure(program, [...script, "--samples", samples, "--threads", threads]);
      }
      rounds.push(measured);
    }
    process.stdout.write(describe(rounds, values));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** Runs a program whose stdout is one JSON object; its progress goes to stderr. */
async function measure(program, args) {
  const child = spawn(program, args, { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (output += text));
  const code = await new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
  if (code !== 0)
    throw new SetupError(`${program} ${args[0]} exited with code ${code}; see its output above.`);
  return JSON.parse(output);
}

function describe(rounds, { network, dataset, samples, threads }) {
  const names = Object.keys(rounds[0]);
  const rows = names.map((name) => {
    const runs = rounds.map((round) => round[name]);
    const { correct } = runs[0];
    const peak = median(runs.map(({ peakBytes }) => peakBytes));
    const cells = [
      name === "original" ? "original, step by step in PyTorch" : name,
      `${median(runs.map(({ seconds }) => seconds)).toFixed(1)} s`,
      `${Math.round(peak / 2 ** 20)} MiB`,
      ...[correct.clean, correct.fgsm, correct.pgd].map(
        (count) => `${((100 * count) / Number(samples)).toFixed(1)} %`,
      ),
    ];
    return `| ${cells.join(" | ")} |\n`;
  });
  const ratios = rounds.map((round) => round.original.seconds / round["hire-snn"].seconds);
  return (
    `${network.toUpperCase()}, T = 8, ${samples} images of ${dataset}, white box, ${threads} threads, ${cpus()[0].model}` +
    `${rounds.length > 1 ? `, medians of ${rounds.length} rounds` : ""}: ${median(ratios).toFixed(2)} times the original's speed\n\n` +
    `| | time | peak memory | clean | FGSM | PGD |\n|---|---|---|---|---|---|\n${rows.join("")}`
  );
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
