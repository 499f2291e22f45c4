#!/usr/bin/env node
// Opens mutated checkpoints and reads all that they hold:
//
//     npm run fuzz:checkpoints -- [--runs N] [--seed N] [--files DIR] [--path PATH] [--json]
//
// --files: also the short ones in a folder. --path: repeats a failure, with the seed that was printed with it.
//
// Each must be read or refused by a coded error, within SLOWEST seconds, and all of them within the memory that is promised for
// the largest: the process's highest, which bounds that of every file. fast-check makes the mutations; a failure prints the
// smallest one that it found, and the seed and path that repeat it.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { baseFiles, filesOf } from "./fuzz/base-files.mjs";
import { highestMemory } from "./fuzz/highest-memory.mjs";
import { mutated, mutations } from "./fuzz/mutations.mjs";
import { root } from "./setup/project.mjs";

/** Seconds. */
const SLOWEST = 5;
/** Bytes of a file of a folder; longer ones have nothing but more values. */
const LONGEST = 50_000;
const DEFAULT_RUNS = 1_000_000;
const DEFAULT_SEED = 20260101;
/** Bytes of values. */
const LARGE = 2 ** 20;
const SLICE = 10_000;
const KNOWN = new Set(["CHECKPOINT_FORMAT", "CHECKPOINT_CORRUPT", "CHECKPOINT_UNSAFE"]);

const load = createRequire(import.meta.url);
if (!existsSync(join(root, "lib", "checkpoint", "open-checkpoint.js"))) {
  throw new Error("There is no lib/: run `npm run setup` first.");
}
const { openSource } = load("../lib/checkpoint/open-checkpoint.js");
const { sourceOfBytes } = load("../lib/checkpoint/byte-source.js");
const { HireSnnError } = load("../lib/errors.js");

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc");

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: String(DEFAULT_RUNS) },
    seed: { type: "string", default: String(DEFAULT_SEED) },
    path: { type: "string" },
    files: { type: "string" },
    json: { type: "boolean" },
  },
});

const bases = [...baseFiles(), ...(values.files === undefined ? [] : filesOf(values.files, LONGEST))];
const largest = Math.max(...bases.map(({ content }) => content.length));
const outcomes = {};
let slowest = { seconds: 0 };
let runs = 0;

function open(bytes) {
  const checkpoint = openSource(sourceOfBytes("mutated", bytes));
  try {
    for (const path of checkpoint.tensors.keys()) {
      // Views can show one value any number of times. What was asked for and dropped is not the reader's to collect.
      if (checkpoint.read(path).byteLength > LARGE) collectGarbage();
    }
  } finally {
    checkpoint.close();
  }
}

/** @returns what became of a file: "read" or the code of the error that refused it */
function outcomeOf(bytes) {
  try {
    open(bytes);
    return "read";
  } catch (error) {
    if (!(error instanceof HireSnnError) || !KNOWN.has(error.code)) throw error;
    if (!/expected|refused|truncated|is /i.test(error.message)) throw error;
    return error.code;
  }
}

// All are whole files, and the program's own memory is no file's.
for (const { name, content } of bases) {
  const outcome = outcomeOf(content);
  if (outcome !== "read") throw new Error(`Expected to read ${name}, found ${outcome}.`);
}
const before = highestMemory();
const property = fc.property(fc.nat(bases.length - 1), mutations(), (index, changes) => {
  const { name, content } = bases[index];
  const bytes = mutated(content, changes, bases[(index + changes.length) % bases.length].content);
  const start = performance.now();
  const outcome = outcomeOf(bytes);
  const seconds = (performance.now() - start) / 1000;
  runs++;
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  if (seconds > slowest.seconds) slowest = { seconds, base: name, outcome, bytes: bytes.length };
  if (seconds > SLOWEST) throw new Error(`${name} took ${seconds.toFixed(2)} s (${outcome}).`);
});
const began = performance.now();
// In slices, each with the next seed: between them what the files before have left behind is collected.
for (let slice = 0; slice * SLICE < Number(values.runs); slice++) {
  fc.assert(property, {
    numRuns: Math.min(SLICE, Number(values.runs) - slice * SLICE),
    seed: Number(values.seed) + slice,
    ...(values.path !== undefined && { path: values.path }),
  });
  await setImmediate();
  collectGarbage();
}
const result = {
  runs,
  seed: Number(values.seed),
  seconds: (performance.now() - began) / 1000,
  outcomes,
  slowest,
  addedBytes: highestMemory() - before,
  // A mutation repeats at most as much as there is: files of up to twice the largest.
  allowedBytes: 2 * 2 * largest + 64 * 2 ** 20,
};
process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : `${JSON.stringify(result, null, 2)}\n`);
if (result.addedBytes > result.allowedBytes) {
  process.stderr.write(
    `Memory: ${result.addedBytes} bytes more than before, expected at most ${result.allowedBytes}.\n`,
  );
  process.exitCode = 1;
}
