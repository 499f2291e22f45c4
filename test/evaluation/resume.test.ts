import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fgsmAttack } from "../../src/attacks/fgsm";
import { pgdAttack } from "../../src/attacks/pgd";
import { evaluate, type EvaluateOptions } from "../../src/evaluation/evaluate";
import { readCommitted } from "../../src/evaluation/ledger-journal";
import { mergeRuns } from "../../src/evaluation/merge";
import type { RunConfig } from "../../src/evaluation/run-config";
import { linearModel, PlainClassifier } from "../attacks/closed-form";
import { temporaryFolder } from "../support/temporary-folder";
import { randomPoints } from "./random-points";

const folder = temporaryFolder();

const model = (weights: readonly (readonly number[])[]): PlainClassifier =>
  new PlainClassifier(2, [1, 1, 2], linearModel(weights));
const base = (): EvaluateOptions & { target: PlainClassifier } => ({
  target: model([
    [2, 0.3],
    [0, 2],
  ]),
  source: model([
    [0.5, -1],
    [0, 1],
  ]),
  dataset: randomPoints(10),
  attacks: [fgsmAttack({ epsilon: 0.1 }), pgdAttack({ epsilon: 0.1, steps: 3, stepSize: 0.05 })],
  ...{ seed: 1, batchSize: 4 },
});

const bytesOf = (run: string, name = "ledger.jsonl"): Buffer => readFileSync(join(run, name));
const copy = (from: string, to: string, names: readonly string[]): string => {
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to);
  for (const name of names) copyFileSync(join(from, name), join(to, name));
  return to;
};

test("a ledger that is torn at any byte of its last batch becomes the whole one", async () => {
  const whole = join(folder, "whole");
  const { results } = await evaluate({ ...base(), out: whole });
  const [ledger, journal] = [bytesOf(whole), bytesOf(whole, "checksums.jsonl")];
  const lines = journal.toString().trimEnd().split("\n");
  const { offset } = JSON.parse(lines.at(-1) as string) as { offset: number };
  const beforeLast = journal.length - (lines.at(-1) as string).length - 1;
  const out = copy(whole, join(folder, "torn"), ["config.json", "ledger.jsonl", "checksums.jsonl"]);
  const tear = (ledgerLength: number, journalLength: number): void => {
    writeFileSync(join(out, "ledger.jsonl"), ledger.subarray(0, ledgerLength));
    writeFileSync(join(out, "checksums.jsonl"), journal.subarray(0, journalLength));
  };
  const cuts: [ledger: number, journal: number][] = [];
  // The line of the last batch is there (the power failed), or not yet (the process ended), or in part.
  for (let length = offset; length < ledger.length; length++) {
    cuts.push([length, journal.length], [length, beforeLast]);
  }
  for (let length = beforeLast; length < journal.length; length++) cuts.push([ledger.length, length]);
  for (const cut of cuts) {
    tear(...cut);
    expect(await readCommitted(out)).toMatchObject({
      ledgerBytes: offset,
      journalBytes: beforeLast,
      nextSample: 8,
    });
  }
  // What is dropped is computed again, and nothing else. Every cut takes minutes, mostly of waiting for the disk.
  for (const cut of cuts.filter((_, i) => i % 97 === 0)) {
    tear(...cut);
    const target = base().target;
    const resumed = await evaluate({ ...base(), target, out, resume: true });
    expect(bytesOf(out).equals(ledger)).toBe(true);
    expect(bytesOf(out, "checksums.jsonl").equals(journal)).toBe(true);
    expect(resumed.results).toEqual(results);
    // FGSM's gradient and PGD's of two samples, and the probe's of four images.
    expect(target.gradients).toBe(2 * 4 + 4);
    rmSync(join(out, "results.json"));
  }
});

test("a finished run is not computed again, and an empty folder begins one", async () => {
  const out = join(folder, "finished");
  const first = await evaluate({ ...base(), out, resume: true });
  const target = base().target;
  const again = await evaluate({ ...base(), target, out, resume: true });
  expect(again).toEqual(first);
  expect(target.gradients).toBe(0);
});

test("a batch that was changed before the end is refused, not computed again", async () => {
  const out = join(folder, "changed");
  await evaluate({ ...base(), out });
  const ledger = bytesOf(out).toString();
  writeFileSync(join(out, "ledger.jsonl"), ledger.replace('"rank":0', '"rank":1'));
  await expect(evaluate({ ...base(), out, resume: true })).rejects.toMatchObject({
    code: "RUN_CORRUPT",
    message: expect.stringMatching(/samples 0 to 3 in .*ledger\.jsonl/) as string,
  });
});

test("another identity is refused, and each difference is said", async () => {
  const out = join(folder, "identity");
  await evaluate({ ...base(), out, samples: 4 });
  const attacks = [fgsmAttack({ epsilon: 0.2 }), pgdAttack({ epsilon: 0.1, steps: 3, stepSize: 0.05 })];
  const changed = { ...base(), attacks, seed: 2, source: undefined, samples: 4, out, resume: true };
  await expect(evaluate(changed)).rejects.toMatchObject({
    code: "RUN_MISMATCH",
    message: expect.stringMatching(
      /source: was \{.*\}, is null\n {2}attacks\[0\]\.threatModel\.epsilon: was 0\.1, is 0\.2\n[^]*seed: was 1, is 2\n/,
    ) as string,
  });
  await expect(
    evaluate({ ...base(), samples: 4, out, resume: true, shard: { index: 1, count: 2 } }),
  ).rejects.toMatchObject({
    code: "RUN_MISMATCH",
    message: expect.stringContaining('shard: was null, is {"index":1,"count":2}') as string,
  });
  // Another batch size is another execution only.
  await evaluate({ ...base(), samples: 4, out, resume: true, batchSize: 1 });
});

test("a second run in the folder is refused while the first one goes on", async () => {
  const out = join(folder, "two");
  let second: Promise<unknown> | undefined;
  await evaluate({
    ...base(),
    out,
    onProgress: () => {
      second ??= evaluate({ ...base(), out, resume: true }).catch((error: unknown) => error);
    },
  });
  expect(await second).toMatchObject({
    code: "RUN_LOCKED",
    message: expect.stringContaining(`process ${process.pid}`) as string,
  });
  expect(readdirSync(out).sort()).toEqual(["checksums.jsonl", "config.json", "ledger.jsonl", "results.json"]);
});

test("the lock of a process that has ended is taken over at once", async () => {
  const out = join(folder, "stale");
  mkdirSync(join(out, "run.lock"), { recursive: true });
  const { lock } = await evaluate({ ...base(), out: join(folder, "other") }).then(() => ({ lock: out }));
  const { hostname } = await import("node:os");
  const { readlinkSync } = await import("node:fs");
  const space = process.platform === "linux" ? readlinkSync("/proc/self/ns/pid") : null;
  const dead = { pid: 2 ** 22 + 1, started: "1", host: hostname(), space };
  writeFileSync(join(lock, "run.lock.json"), JSON.stringify(dead));
  const begun = performance.now();
  await evaluate({ ...base(), out });
  expect(performance.now() - begun).toBeLessThan(5000);

  // One that cannot be looked up is believed while it is fresh.
  const foreign = join(folder, "foreign");
  mkdirSync(join(foreign, "run.lock"), { recursive: true });
  writeFileSync(join(foreign, "run.lock.json"), JSON.stringify({ ...dead, host: "elsewhere" }));
  await expect(evaluate({ ...base(), out: foreign })).rejects.toMatchObject({
    code: "RUN_LOCKED",
    message: expect.stringContaining("on elsewhere") as string,
  });
});

describe("shards", () => {
  const shard = async (
    index: number,
    count: number,
    changes: Partial<EvaluateOptions> = {},
  ): Promise<string> => {
    const out = join(folder, `shard-${index}-of-${count}-${Object.keys(changes).join()}`);
    await evaluate({ ...base(), batchSize: 3, ...changes, out, resume: true, shard: { index, count } });
    return out;
  };

  test("merged in any order are the run that was never cut", async () => {
    const whole = await evaluate({ ...base(), out: join(folder, "uncut") });
    const parts = [await shard(3, 3), await shard(1, 3), await shard(2, 3)];
    const out = join(folder, "merged");
    const merged = await mergeRuns(parts, out);
    expect(bytesOf(out).equals(bytesOf(join(folder, "uncut")))).toBe(true);
    expect(merged.results).toEqual(whole.results);
    expect(merged.warnings).toEqual(whole.warnings);
    expect(merged.identity).toEqual(whole.identity);
    // It can be gone on with like any other: there is nothing left to do, and it stays one that was merged.
    expect((await evaluate({ ...base(), out, resume: true })).results).toEqual(whole.results);
    const { execution } = JSON.parse(bytesOf(out, "config.json").toString()) as RunConfig;
    expect(execution.merged).toEqual([parts[1], parts[2], parts[0]]);
    // Shards of another division fit as well, where they have the samples that are missing.
    const halves = join(folder, "halves");
    await mergeRuns([await shard(2, 2), await shard(1, 2)], halves);
    expect(bytesOf(halves).equals(bytesOf(out))).toBe(true);
  });

  test("with a gap, an overlap, of another run, or unfinished are refused", async () => {
    const [one, two, three] = [await shard(1, 3), await shard(2, 3), await shard(3, 3)];
    const out = join(folder, "refused");
    const refused = async (parts: readonly string[], code: string, message: RegExp): Promise<void> => {
      await expect(mergeRuns(parts, out)).rejects.toMatchObject({
        code,
        message: expect.stringMatching(message) as string,
      });
    };
    await refused([one, three], "SHARDS_INVALID", /no shard has samples 3 to 5/);
    await refused([one, two], "SHARDS_INVALID", /no shard has samples 6 to 9/);
    await refused([one, two, two, three], "SHARDS_INVALID", /both have samples 3 to 5/);
    await refused([one, await shard(2, 3, { seed: 9 }), three], "RUN_MISMATCH", /seed: was 1, is 9/);
    const partial = copy(two, join(folder, "partial"), ["config.json", "ledger.jsonl", "checksums.jsonl"]);
    await refused([one, partial, three], "SHARDS_INVALID", /3 of its 3 samples and no results/);
    truncateSync(join(partial, "ledger.jsonl"), 10);
    await refused([one, partial, three], "SHARDS_INVALID", /0 of its 3 samples; finish it by --resume/);
    await refused([join(folder, "nothing")], "INVALID_ARGUMENT", /no config\.json/);
  });

  test("there is none without a sample", async () => {
    await expect(evaluate({ ...base(), shard: { index: 1, count: 11 } })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
    const config = JSON.parse(bytesOf(await shard(3, 3), "config.json").toString()) as RunConfig;
    expect(config.execution).toMatchObject({ range: { begin: 6, end: 10 }, shard: { index: 3, count: 3 } });
  });
});
