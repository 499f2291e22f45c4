import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

interface Result {
  readonly runs: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly addedBytes: number;
  readonly allowedBytes: number;
}

const root = join(__dirname, "..", "..");

// The program fails by itself for anything but a file read or a coded error, and for what takes too long.
test("100,000 mutated files are read or refused, within the memory that is promised", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    join(root, "scripts", "fuzz-checkpoints.mjs"),
    ...["--runs", "100000", "--json"],
  ]);
  const { runs, outcomes, addedBytes, allowedBytes } = JSON.parse(stdout) as Result;
  expect(runs).toBe(100_000);
  expect(addedBytes).toBeLessThanOrEqual(allowedBytes);
  // Changes that reach all parts of the reader: many files are read all the same, and some name code.
  expect(outcomes["read"]).toBeGreaterThan(2000);
  expect(outcomes["CHECKPOINT_CORRUPT"]).toBeGreaterThan(20_000);
  expect(outcomes["CHECKPOINT_FORMAT"]).toBeGreaterThan(1000);
  expect(outcomes["CHECKPOINT_UNSAFE"]).toBeGreaterThan(100);
}, 300_000);
