import { execFileSync, type ChildProcess } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Evaluation } from "../../src/evaluation/evaluate";
import { numbers } from "../classifiers/small-networks";
import { describeUnless } from "../support/skip";
import { temporaryFolder } from "../support/temporary-folder";
import { demo, root, runCli, type CliResult } from "./run-cli";

const folder = temporaryFolder();

const evaluation = [
  ...["evaluate", join(demo, "target.pt"), "--source", join(demo, "source.pt")],
  ...["--dataset", "shapes", "--data", demo, "--seed", "5"],
  ...["--attack", "fgsm:epsilon=8/255", "--attack", "pgd:steps=3,step-size=0.02,epsilon=8/255"],
];
const run = (
  out: string,
  options: readonly string[],
  onStart?: (child: ChildProcess) => void,
): Promise<CliResult> => runCli([...evaluation, "--out", out, ...options], onStart ? { onStart } : {});
const ledgerOf = (out: string): Buffer => readFileSync(join(out, "ledger.jsonl"));
const resultsOf = (out: string): Evaluation =>
  JSON.parse(readFileSync(join(out, "results.json"), "utf8")) as Evaluation;

test("killed at 20 random moments and resumed each time, the ledger is the uninterrupted one", async () => {
  const whole = join(folder, "whole");
  const options = ["--samples", "160", "--batch-size", "4", "--threads", "1"];
  const begun = performance.now();
  expect(await run(whole, options)).toMatchObject({ code: 0 });
  const longest = performance.now() - begun;

  const seed = Number(process.env["HIRE_SNN_KILL_SEED"] ?? Date.now() % 2 ** 31);
  process.stderr.write(`HIRE_SNN_KILL_SEED=${seed}\n`);
  const next = numbers(seed);
  const out = join(folder, "killed");
  for (let kills = 0; kills < 20;) {
    // Most moments are within the time that loading and the first batches take, so that there is something left to kill.
    const delay = (0.05 + 0.6 * next()) * longest;
    const { code, stderr } = await run(out, [...options, "--resume"], (child) => {
      setTimeout(() => child.kill("SIGKILL"), delay);
    });
    if (code === null) kills++;
    else expect([code, stderr]).toEqual([0, expect.anything()]);
    // It was finished before the kill: begin again, for the rest of the twenty.
    if (code === 0) {
      expect(ledgerOf(out).equals(ledgerOf(whole))).toBe(true);
      rmSync(out, { recursive: true });
      mkdirSync(out);
    }
  }
  expect((await run(out, [...options, "--resume"])).code).toBe(0);
  expect(ledgerOf(out).equals(ledgerOf(whole))).toBe(true);
  expect(resultsOf(out).results).toEqual(resultsOf(whole).results);
}, 400_000);

test("batch sizes, threads and shards do not show in the ledger", async () => {
  const samples = ["--samples", "70"];
  const ledgers: Buffer[] = [];
  for (const batchSize of ["1", "13", "64"]) {
    for (const threads of ["1", "2"]) {
      const out = join(folder, `${batchSize}-${threads}`);
      const execution = ["--batch-size", batchSize, "--threads", threads];
      expect(await run(out, [...samples, ...execution])).toMatchObject({ code: 0 });
      ledgers.push(ledgerOf(out));
    }
  }
  const parts = ["1/3", "2/3", "3/3"].map((shard) => ({ shard, out: join(folder, `part-${shard[0]}`) }));
  for (const { shard, out } of parts)
    expect(await run(out, [...samples, "--shard", shard])).toMatchObject({ code: 0 });
  const merged = join(folder, "merged");
  const { code, stdout } = await runCli(["merge", ...parts.map(({ out }) => out), "-o", merged, "--json"]);
  expect(code).toBe(0);
  ledgers.push(ledgerOf(merged));
  expect(ledgers.every((ledger) => ledger.equals(ledgers[0] as Buffer))).toBe(true);
  expect((JSON.parse(stdout) as Evaluation).results).toEqual(resultsOf(join(folder, "1-1")).results);
}, 240_000);

describeUnless(process.platform === "win32" ? "there is no ulimit" : null, "a file that may not grow", () => {
  test("is said with what is safe, and the run goes on when it may", async () => {
    const out = join(folder, "limited");
    const options = ["--samples", "40", "--batch-size", "4"];
    // In blocks of 512 or 1024 bytes, by the shell.
    const limited = [
      "-c",
      'ulimit -f 60; exec "$@"',
      "sh",
      process.execPath,
      join(root, "lib", "cli", "main.js"),
    ];
    let failure: { status: number | null; signal: string | null; stderr: string } | undefined;
    try {
      execFileSync("sh", [...limited, ...evaluation, ...options, "--out", out], {
        encoding: "utf8",
        stdio: "pipe",
      });
    } catch (error) {
      failure = error as typeof failure;
    }
    expect(failure).toMatchObject({ status: 1, signal: null });
    expect(failure?.stderr).toMatch(
      /Could not append to .*ledger\.jsonl: EFBIG.*All samples before number \d+ are safe in .*--resume.*\(DISK_FULL\)/s,
    );
    const kept = ledgerOf(out).length;
    expect(kept).toBeGreaterThan(0);
    expect(await run(out, [...options, "--resume"])).toMatchObject({ code: 0 });
    const whole = join(folder, "unlimited");
    expect(await run(whole, options)).toMatchObject({ code: 0 });
    expect(ledgerOf(out).equals(ledgerOf(whole))).toBe(true);
  }, 120_000);
});

/** Whether this user may mount a file system; it takes a moment, once. */
function whyNoTmpfs(): string | null {
  if (process.platform !== "linux") return "tmpfs is Linux's";
  if (process.getuid?.() !== 0) return "only root may mount a tmpfs";
  const probe = join(folder, "probe");
  mkdirSync(probe);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", probe], { stdio: "pipe" });
    execFileSync("umount", [probe]);
    return null;
  } catch (error) {
    return `no tmpfs can be mounted here: ${(error as Error).message.split("\n")[0]}`;
  }
}

describeUnless(whyNoTmpfs(), "a disk that is full", () => {
  test("is said with what is safe, and the run goes on when there is room", async () => {
    const disk = join(folder, "disk");
    mkdirSync(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]);
    try {
      const out = join(disk, "run");
      const options = ["--samples", "40", "--batch-size", "4"];
      const failed = await run(out, options);
      expect(failed.code).toBe(1);
      expect(failed.stderr).toMatch(/ENOSPC.*are safe in .*--resume.*\(DISK_FULL\)/s);
      execFileSync("mount", ["-o", "remount,size=4m", disk]);
      expect(await run(out, [...options, "--resume"])).toMatchObject({ code: 0 });
      const whole = join(folder, "roomy");
      expect(await run(whole, options)).toMatchObject({ code: 0 });
      expect(ledgerOf(out).equals(ledgerOf(whole))).toBe(true);
    } finally {
      execFileSync("umount", [disk]);
    }
  }, 120_000);
});
