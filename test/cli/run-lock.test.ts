import type { ChildProcess } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "../support/temporary-folder";
import { demo, runCli, type CliResult } from "./run-cli";

const folder = temporaryFolder();
const run = (out: string, options: readonly string[], onStart?: (child: ChildProcess) => void) =>
  runCli(
    [
      ...["evaluate", join(demo, "target.pt"), "--dataset", "shapes", "--data", demo, "--seed", "0"],
      ...["--samples", "60", "--attack", "pgd:steps=20,step-size=0.01,epsilon=8/255", "--threads", "1"],
      ...["--out", out, ...options],
    ],
    onStart ? { onStart } : {},
  );
const ledgerOf = (out: string): Buffer => readFileSync(join(out, "ledger.jsonl"));

test("of two processes on a folder the second is refused, and the lock of one that was killed is taken over", async () => {
  const out = join(folder, "run");
  let first: ChildProcess | undefined;
  const killed = run(out, ["--batch-size", "1"], (child) => {
    first = child;
  });
  let ended: CliResult | undefined;
  void killed.then((result) => (ended = result));
  const journal = join(out, "checksums.jsonl");
  while (!existsSync(journal) || statSync(journal).size === 0) {
    expect(ended).toBeUndefined();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }

  // The first one stands still, so that it is surely there while the second one asks.
  first?.kill("SIGSTOP");
  const second = await run(out, ["--resume"]);
  expect(second.code).toBe(1);
  expect(second.stderr).toMatch(
    new RegExp(`Expected no other process to work on .*run but process ${first?.pid} on .*\\(RUN_LOCKED\\)`),
  );

  first?.kill("SIGKILL");
  expect((await killed).code).toBeNull();
  expect(existsSync(join(out, "run.lock"))).toBe(true);
  const before = readFileSync(journal, "utf8").trimEnd().split("\n").length;
  expect(before).toBeLessThan(60);
  expect(await run(out, ["--resume"])).toMatchObject({ code: 0 });
  expect(existsSync(join(out, "run.lock"))).toBe(false);
  const whole = join(folder, "whole");
  expect(await run(whole, [])).toMatchObject({ code: 0 });
  expect(ledgerOf(out).equals(ledgerOf(whole))).toBe(true);
}, 240_000);
