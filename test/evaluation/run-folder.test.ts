import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LedgerRow } from "../../src/evaluation/ledger-row";
import type { RunConfig } from "../../src/evaluation/run-config";
import { readLedger } from "../../src/evaluation/ledger";
import { RunFolder } from "../../src/evaluation/run-folder";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hire-snn-run-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const config: RunConfig = {
  schemaVersion: 2,
  identity: {
    ...{ version: "0.1.0", code: "00" },
    target: { classes: 2, inputShape: [1, 2, 2] },
    source: null,
    dataset: { name: "points", split: "test", sha256: "00", samples: 2 },
    attacks: [],
    seed: 0,
  },
  execution: {
    ...{
      target: { name: "plain", path: null },
      source: null,
      data: ["/data/points"],
      batchSize: 2,
      out: null,
      range: { begin: 0, end: 3 },
    },
    ...{ startedAt: "2020-01-01T00:00:00.000Z", node: "v20.0.0", platform: "linux x64" },
  },
};

const row: LedgerRow = {
  ...{ sample: 0, label: 1, attack: "clean", access: "none", valid: true, prediction: 1, rank: 0 },
  ...{ margin: 0.1 + 0.2, loss: 5e-324, linf: Math.fround(0.031), l2: 1.1, tie: false, zeroGradient: 0 },
  firstSuccess: 3,
  spikes: [[1, 2], [3]],
};

async function rowsIn(path: string): Promise<LedgerRow[]> {
  const rows: LedgerRow[] = [];
  for await (const read of readLedger(path)) rows.push(read);
  return rows;
}

test("each batch is in the file before append returns, and comes back bit for bit", async () => {
  const path = join(folder, "a", "b");
  const run = await RunFolder.create(path, config);
  expect(JSON.parse(readFileSync(join(path, "config.json"), "utf8"))).toEqual(config);
  await run.append([row], 1);
  expect(await rowsIn(path)).toEqual([row]);
  await run.append(
    [
      { ...row, sample: 1 },
      { ...row, sample: 2 },
    ],
    2,
  );
  expect((await rowsIn(path)).map(({ sample }) => sample)).toEqual([0, 1, 2]);
  await run.writeResults({ results: [] });
  await run.close();
  expect(readdirSync(path).sort()).toEqual([
    "checksums.jsonl",
    "config.json",
    "ledger.jsonl",
    "results.json",
  ]);
});

test("a ledger longer than the pieces that it is read in", async () => {
  const run = await RunFolder.create(folder, config);
  const rows = Array.from({ length: 3000 }, (_, sample) => ({ ...row, sample }));
  await run.append(rows, 3000);
  await run.close();
  expect(await rowsIn(folder)).toEqual(rows);
});

test("a folder that holds a ledger is refused and stays as it is", async () => {
  writeFileSync(join(folder, "ledger.jsonl"), "old\n");
  await expect(RunFolder.create(folder, config)).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringContaining(join(folder, "ledger.jsonl")) as string,
  });
  expect(readdirSync(folder)).toEqual(["ledger.jsonl"]);
  expect(readFileSync(join(folder, "ledger.jsonl"), "utf8")).toBe("old\n");
});

test("a folder that cannot be made is an IO error", async () => {
  const file = join(folder, "file");
  writeFileSync(file, "");
  await expect(RunFolder.create(join(file, "run"), config)).rejects.toMatchObject({ code: "IO" });
});

test.each([
  ["not JSON", '{"sample":0}\n{"sam\n', "line 2"],
  ["cut", '{"sample":0}\n{"sample":1}', "line 2"],
])("a ledger with a line that is %s names it", async (_, text, line) => {
  writeFileSync(join(folder, "ledger.jsonl"), text);
  await expect(rowsIn(folder)).rejects.toMatchObject({
    code: "IO",
    message: expect.stringContaining(line) as string,
  });
});

test("no ledger is an IO error", async () => {
  await expect(rowsIn(folder)).rejects.toMatchObject({ code: "IO" });
});
