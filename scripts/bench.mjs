#!/usr/bin/env node
// Measures the package beside its peers, in one run on this machine: `npm run bench [-- options]`.
//
//   --full             the whole matrix of networks, time steps, batches, threads and thresholds: hours
//   --quick            a small network and one round, to try the benchmark itself; its figures mean nothing
//   --checkpoint FILE  a trained VGG checkpoint for CIFAR-100 as one more row
//   --timesteps N      of that checkpoint; else what its name says
//   --rounds N         5 unless given
//   --only LIST        of rows,protocol,factors,memory,timer,profile: parts of the run
//   --instructions SET of baseline, avx2, avx512 and amx: what hire-snn uses; the best unless given
//   --out DIR          bench/results unless given (--quick: build/bench)
//
// Writes NAME.json with everything and NAME.md with the tables, NAME being the CPU's model and the date. Leave the machine alone
// meanwhile. Exits with 1 if a check of the peers failed; the results are written all the same, and say so.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { calibratedCheckpoints, ownCheckpoint, Pixels } from "./bench/checkpoints.mjs";
import { contenders, Field } from "./bench/contenders.mjs";
import { peersPython } from "./bench/environment.mjs";
import { describeMachine } from "./bench/machine.mjs";
import { Bench, fullMatrix } from "./bench/measurements.mjs";
import { markdown } from "./bench/report.mjs";
import { cifarFolder } from "./reference/data.mjs";
import { main } from "./setup/main.mjs";
import { capture } from "./setup/processes.mjs";
import { root } from "./setup/project.mjs";
import { elapsedSeconds, say, SetupError } from "./setup/report.mjs";

const parts = ["rows", "protocol", "factors", "memory", "timer", "profile"];

await main(async (args) => {
  const { values } = parseArgs({
    args,
    options: {
      full: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      checkpoint: { type: "string" },
      timesteps: { type: "string" },
      rounds: { type: "string" },
      only: { type: "string", default: parts.join() },
      instructions: { type: "string" },
      out: { type: "string" },
    },
  });
  const wanted = new Set(values.only.split(","));
  for (const part of wanted) {
    if (!parts.includes(part))
      throw new SetupError(`Expected parts of ${parts.join()} in --only but received ${part}.`);
  }
  const { quick, full, instructions } = values;
  // The package's worker reads it, wherever one is started.
  if (instructions !== undefined) process.env["HIRE_SNN_BENCH_INSTRUCTIONS"] = instructions;
  const rounds = wholeNumber(values.rounds ?? (quick ? "1" : "5"), "rounds");
  const timesteps = values.timesteps === undefined ? undefined : wholeNumber(values.timesteps, "timesteps");

  const machine = describeMachine();
  if (machine.loadBefore > 0.5)
    say(`the machine is not idle (load ${machine.loadBefore.toFixed(1)}): figures will be off`);
  const { folder: data, missing } = await cifarFolder();
  if (missing !== null) throw new SetupError(`Expected the CIFAR data but ${missing}.`);
  const peers = await peersPython();

  const folder = mkdtempSync(join(tmpdir(), "hire-snn-bench-"));
  const pixels = await Pixels.open("cifar100", data, folder);
  const field = new Field(peers);
  const startedAt = new Date();
  try {
    const base = quick
      ? { network: "VGG5", batch: 4, timesteps: 4, threads: 2 }
      : { network: "VGG11", batch: 32, timesteps: 8, threads: 2 };
    const checkpoints = await calibratedCheckpoints(base.network, [0.6, 0.3], peers, pixels);
    if (values.checkpoint) {
      const own = await ownCheckpoint(resolve(values.checkpoint));
      checkpoints.push({ ...own, timesteps: timesteps ?? own.timesteps });
    }
    const bench = new Bench({ field, peers, pixels, data, folder, base, rounds, quick });
    const results = {
      schemaVersion: 1,
      command: ["npm run bench", ...(args.length > 0 ? ["--", ...args] : [])].join(" "),
      startedAt: startedAt.toISOString(),
      commit: await commit(),
      quick,
      instructions,
      base,
      machine: { ...machine, ...(await bench.machine()) },
      contenders: contenders.map(({ id, label, group }) => ({ id, label, group })),
      missing: peers.missing,
      rows: [],
    };
    if (full) {
      await fullMatrix(bench, results, (name, scales) => calibratedCheckpoints(name, scales, peers, pixels));
    } else {
      for (const [index, checkpoint] of checkpoints.entries()) {
        if (!wanted.has("rows") && !(index === 0 && wanted.has("protocol"))) continue;
        const row = await bench.row(checkpoint, base, {
          measured: wanted.has("rows"),
          protocol: index === 0 && wanted.has("protocol"),
        });
        results.rows.push(row);
      }
    }
    await field.close();
    const [first] = checkpoints;
    if (wanted.has("profile")) results.profile = await bench.profiles(checkpoints);
    if (wanted.has("factors") && !full) {
      results.factors = await bench.factors(first, (name) =>
        calibratedCheckpoints(name, [0.6], peers, pixels).then(([only]) => only),
      );
    }
    if (wanted.has("memory")) results.memory = await bench.memory(first);
    if (wanted.has("timer")) results.timer = await bench.timer(first);
    results.machine.loadAfter = loadavg()[0];
    results.seconds = (Date.now() - startedAt.getTime()) / 1000;
    results.failures = bench.failures;

    const out = resolve(
      values.out ?? (quick ? join(root, "build", "bench") : join(root, "bench", "results")),
    );
    mkdirSync(out, { recursive: true });
    const marks = [instructions, full && "full"].filter(Boolean).map((mark) => `-${mark}`);
    const name = `${slug(machine.cpu)}-${results.startedAt.slice(0, 10)}${marks.join("")}`;
    writeFileSync(join(out, `${name}.json`), `${JSON.stringify(results, withoutFolders, 1)}\n`);
    const text = markdown(results);
    writeFileSync(join(out, `${name}.md`), text);
    process.stdout.write(text);
    say(`${join(out, name)}.md and .json (${elapsedSeconds()} s)`);
    if (bench.failures.length > 0) {
      process.exitCode = 1;
      say(`checks failed:\n${bench.failures.map((line) => `  ${line}\n`).join("")}`);
    }
  } finally {
    await field.close();
    await pixels.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

function wholeNumber(text, name) {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new SetupError(`Expected a whole number from 1 for --${name} but received ${text}.`);
}

function slug(text) {
  return text
    .toLowerCase()
    .replaceAll(/\((?:r|tm)\)/g, "")
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-|-$/g, "");
}

/** What was measured, with a mark if the tree had changes beside it. */
async function commit() {
  const options = { env: process.env };
  const head = await capture("git", ["-C", root, "rev-parse", "--short=12", "HEAD"], options);
  if (head.code !== 0) return null;
  const changes = await capture("git", ["-C", root, "status", "--porcelain"], options);
  return head.stdout.trim() + (changes.stdout.trim() ? " with changes" : "");
}

/** Where files lie on this machine is nobody's business who reads the results. */
function withoutFolders(key, value) {
  if (key === "libtorchRoot") return undefined;
  return key === "path" ? basename(value) : value;
}
