import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { wilsonInterval } from "../../src/evaluation/wilson";
import { createReport } from "../../src/report/create-report";
import type { Cell, Report } from "../../src/report/report-model";
import { temporaryFolder } from "../support/temporary-folder";
import { attack, fourImages, row, writeRun } from "./hand-made-run";

const root = temporaryFolder();
let number = 0;
const fresh = (): string => join(root, `run-${number++}`);

function rowsOf(report: Report, id: string): readonly Readonly<Record<string, Cell>>[] {
  return tablesOf(report).find((table) => table.id === id)?.rows ?? [];
}

function tablesOf({ sections }: Report): NonNullable<Report["sections"][number]["tables"]>[number][] {
  return sections.flatMap(({ tables = [] }) => tables);
}

const sectionIds = ({ sections }: Report): string[] => sections.map(({ id }) => id);

describe("one run, with figures worked out by hand", () => {
  const folder = fresh();
  let report: Report;
  beforeAll(async () => {
    writeRun(folder, fourImages);
    report = await createReport([folder]);
  });

  test("accuracies, intervals, ties, zero gradients and samples without a result", () => {
    expect(rowsOf(report, "accuracy")).toMatchObject([
      {
        attack: "Clean",
        access: "",
        epsilon: "",
        accuracy: 3 / 4,
        interval: wilsonInterval(3, 4),
        correct: 3,
        samples: 4,
        ties: 0,
      },
      {
        attack: "FGSM",
        access: "white box",
        epsilon: "0.1",
        accuracy: 2 / 4,
        ties: 1,
        tiesCorrect: 0,
        zeroGradient: 0,
      },
      {
        attack: "FGSM",
        epsilon: "0.2",
        accuracy: 2 / 4,
        ties: 1,
        tiesCorrect: 1,
        zeroGradient: 1,
        invalid: 0,
      },
      { attack: "PGD-2", accuracy: 1 / 4, interval: wilsonInterval(1, 4), invalid: 1, loss: 0.5 },
    ]);
    expect(report.highlights.map(({ value }) => value)).toEqual([3 / 4, 1 / 4]);
  });

  test("against epsilon, an image found at the smaller one counts at the larger one", () => {
    expect(rowsOf(report, "epsilon")).toMatchObject([
      { series: "FGSM, white box", epsilonValue: 0.1, accuracy: 2 / 4, repaired: 2 / 4 },
      {
        series: "FGSM, white box",
        epsilonValue: 0.2,
        accuracy: 2 / 4,
        repaired: 1 / 4,
        repairedInterval: wilsonInterval(1, 4),
      },
    ]);
  });

  test("against steps, by the first successes of the images that have a result", () => {
    expect(rowsOf(report, "steps")).toMatchObject([
      { counts: "any iterate", steps: 0, correct: 2, samples: 3, accuracy: 2 / 3 },
      { counts: "any iterate", steps: 1, correct: 1, samples: 3 },
      { counts: "any iterate", steps: 2, correct: 1, samples: 3, interval: wilsonInterval(1, 3) },
    ]);
  });

  test("by class, with the classes' names", () => {
    expect(rowsOf(report, "classes-1").slice(0, 4)).toMatchObject([
      { class: "cat", setting: "Clean", correct: 2, samples: 2, accuracy: 1 },
      { class: "dog", setting: "Clean", correct: 1, samples: 2, accuracy: 1 / 2 },
      { class: "cat", setting: "FGSM ε 0.1, white box", correct: 1, samples: 2 },
      { class: "dog", setting: "FGSM ε 0.1, white box", correct: 1, samples: 2 },
    ]);
  });

  test("activity per layer", () => {
    expect(rowsOf(report, "activity-1")).toEqual([
      // 16 spikes in 4 images, 10 neurons, 2 time steps; 4 spikes, 4 neurons.
      {
        run: "net.pt",
        layer: "conv1",
        kind: "conv",
        neurons: 10,
        setting: "Clean",
        spikesPerNeuron: 0.4,
        rate: 0.2,
      },
      {
        run: "net.pt",
        layer: "linear1",
        kind: "linear",
        neurons: 4,
        setting: "Clean",
        spikesPerNeuron: 0.25,
        rate: 0.125,
      },
    ]);
  });

  test("what one run has nothing of is left out", () => {
    expect(sectionIds(report)).toEqual(["accuracy", "epsilon", "steps", "activity", "classes", "identity"]);
  });
});

describe("several runs", () => {
  const clean = (correct: readonly boolean[]): ReturnType<typeof row>[] =>
    correct.flatMap((right, sample) => [row(sample, 0, "clean", right), row(sample, 0, "fgsm", false)]);
  const attacks = [attack("fgsm", "fgsm", 0.1)];
  const ten = { attacks, samples: 10 };

  test("are compared by the exact test on the same images, adjusted for their number", async () => {
    const [first, second] = [fresh(), fresh()];
    writeRun(first, { ...ten, rows: clean(Array<boolean>(10).fill(true)), name: "a.pt" });
    writeRun(second, { ...ten, rows: clean([true, true, ...Array<boolean>(8).fill(false)]), name: "b.pt" });
    const report = await createReport([first, second]);
    expect(rowsOf(report, "comparison")).toEqual([
      // Eight images against none: p = 2 / 2^8, the smaller of two. None against none: 1.
      {
        run: "b.pt",
        attack: "Clean",
        access: "",
        difference: -0.8,
        onlyBaseline: 8,
        onlyRun: 0,
        samples: 10,
        p: expect.closeTo(0.0078125, 14) as number,
        pAdjusted: expect.closeTo(0.015625, 14) as number,
        exceedsNoise: "yes",
      },
      {
        run: "b.pt",
        attack: "FGSM",
        access: "white box",
        difference: 0,
        onlyBaseline: 0,
        onlyRun: 0,
        samples: 10,
        p: 1,
        pAdjusted: 1,
        exceedsNoise: "no",
      },
    ]);
  });

  test.each([
    ["other data", { sha256: "cd".repeat(32) }, 10],
    ["other images", {}, 9],
  ])("are not paired on %s, and the report says so", async (_, changes, images) => {
    const [first, second] = [fresh(), fresh()];
    writeRun(first, { ...ten, rows: clean(Array<boolean>(10).fill(true)), name: "a.pt" });
    writeRun(second, { ...ten, ...changes, rows: clean(Array<boolean>(images).fill(false)), name: "b.pt" });
    const report = await createReport([first, second]);
    expect(rowsOf(report, "comparison")).toEqual([]);
    const text = report.sections.find(({ id }) => id === "comparison")?.text?.join("\n");
    expect(text).toMatch(/b\.pt: .* no test on the same images is possible/);
    // Side by side they stand nevertheless.
    expect(rowsOf(report, "side-by-side")).toHaveLength(4);
  });

  test("of one network at several time steps are drawn against T, and found below a study's folder", async () => {
    const study = fresh();
    for (const timesteps of [4, 2]) {
      const rows = fourImages.rows.map((each) => ({
        ...each,
        ...(each.spikes && { spikes: [Array<number>(timesteps).fill(5), Array<number>(timesteps).fill(0)] }),
      }));
      writeRun(join(study, `t${timesteps}`), { ...fourImages, rows, timesteps });
    }
    const report = await createReport([study]);
    expect(report.runs.map(({ label }) => label)).toEqual(["net.pt, T = 2", "net.pt, T = 4"]);
    expect(rowsOf(report, "timesteps").filter(({ attack: name }) => name === "Clean")).toMatchObject([
      // 5 spikes in each of T steps on 14 neurons
      { timesteps: 2, accuracy: 3 / 4, spikesPerNeuron: 10 / 14 },
      { timesteps: 4, accuracy: 3 / 4, spikesPerNeuron: 20 / 14 },
    ]);
  });

  test("with several sources make a transfer matrix", async () => {
    const folders = ["x.pt", "y.pt"].map((source, i) => {
      const folder = fresh();
      const black = [
        row(0, 0, "fgsm", i === 0, { access: "black" }),
        row(1, 0, "fgsm", false, { access: "black" }),
      ];
      writeRun(folder, { attacks, samples: 2, source, rows: [...clean([true, true]), ...black] });
      return folder;
    });
    const report = await createReport(folders);
    expect(rowsOf(report, "transfer-1")).toMatchObject([
      { source: "net.pt", target: "net.pt", accuracy: 0 },
      { source: "x.pt", target: "net.pt", accuracy: 1 / 2 },
      { source: "y.pt", target: "net.pt", accuracy: 0 },
    ]);
  });
});

test.each([
  ["each other's source: a matrix", ["a.pt", "b.pt"], ["b.pt", "a.pt"], 4],
  ["pairs with nothing in common: none", ["a.pt", "b.pt"], ["c.pt", "d.pt"], 0],
])("two networks that are %s", async (_, names, sources, rows) => {
  const folders = names.map((name, i) => {
    const folder = fresh();
    const attacked = [row(0, 0, "fgsm", false), row(0, 0, "fgsm", true, { access: "black" })];
    const run = {
      attacks: [attack("fgsm", "fgsm", 0.1)],
      samples: 1,
      rows: [row(0, 0, "clean", true), ...attacked],
    };
    writeRun(folder, { ...run, name, source: sources[i] as string });
    return folder;
  });
  expect(rowsOf(await createReport(folders), "transfer-1")).toHaveLength(rows);
});

test("networks of one file under both codings are two, in labels and in the matrix; rate coding has no energies", async () => {
  const folders = ["direct", "rate"].map((coding, i) => {
    const folder = fresh();
    const attacked = [row(0, 0, "fgsm", i === 0), row(0, 0, "fgsm", true, { access: "black" })];
    const rows = [row(0, 0, "clean", true), ...attacked];
    writeRun(folder, {
      ...{ attacks: [attack("fgsm", "fgsm", 0.1)], samples: 1, rows },
      ...{ source: "x.pt", target: { coding } },
    });
    return folder;
  });
  const report = await createReport(folders);
  expect(report.runs.map(({ label }) => label)).toEqual(["net.pt", "net.pt, rate coding"]);
  expect(rowsOf(report, "transfer-1")).toMatchObject([
    { source: "net.pt", target: "net.pt", accuracy: 1 },
    { source: "x.pt", target: "net.pt", accuracy: 1 },
    { source: "net.pt, rate coding", target: "net.pt, rate coding", accuracy: 0 },
    { source: "x.pt", target: "net.pt, rate coding", accuracy: 1 },
  ]);
  const energy = report.sections.find(({ id }) => id === "energy");
  expect(energy?.tables).toBeUndefined();
  expect(energy?.text?.join(" ")).toMatch(/net\.pt, rate coding: under rate coding/);
});

test("an unfinished run is reported, with a warning that says how far it is", async () => {
  const folder = fresh();
  writeRun(folder, { ...fourImages, samples: 8, results: null });
  const { sections } = await createReport([folder]);
  expect(sections[0]?.warnings).toMatchObject([
    { code: "INCOMPLETE", messages: [{ message: expect.stringContaining("4 of 8 images") as string }] },
  ]);
});

test("a shard says which part of the images it is", async () => {
  const folder = fresh();
  const execution = { range: { begin: 0, end: 4 }, shard: { index: 1, count: 2 } };
  writeRun(folder, { ...fourImages, samples: 8, execution });
  expect((await createReport([folder])).sections[0]?.warnings).toMatchObject([
    { code: "SHARD", messages: [{ message: "The run is shard 1 of 2: images 0 to 3 of 8." }] },
  ]);
});

test("of a run that was stopped while it wrote, what is committed is reported; changed rows are refused", async () => {
  const folder = fresh();
  writeRun(folder, { ...fourImages, results: null });
  const ledger = join(folder, "ledger.jsonl");
  const rows = readFileSync(ledger, "utf8");
  const bytes = Buffer.byteLength(rows);
  const sha256 = createHash("sha256").update(rows).digest("hex");
  const entry = { firstSample: 0, samples: 4, offset: 0, bytes, sha256 };
  writeFileSync(join(folder, "checksums.jsonl"), `${JSON.stringify(entry)}\n`);
  writeFileSync(ledger, `${rows}{"sample":4,"la`);
  const report = await createReport([folder]);
  expect(rowsOf(report, "accuracy")[0]).toMatchObject({ accuracy: 3 / 4, samples: 4 });

  const next = { ...entry, firstSample: 4, offset: bytes };
  writeFileSync(join(folder, "checksums.jsonl"), `${JSON.stringify(entry)}\n${JSON.stringify(next)}\n`);
  writeFileSync(ledger, rows.replace('"rank":0', '"rank":1') + rows);
  await expect(createReport([folder])).rejects.toMatchObject({ code: "RUN_CORRUPT" });
});

describe("what is no run", () => {
  const code = async (path: string): Promise<unknown> =>
    await createReport([path]).then(
      () => "made",
      (error: unknown) => error,
    );

  test("nothing, and folders without runs", async () => {
    await expect(createReport([])).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(code(join(root, "absent"))).resolves.toMatchObject({ code: "IO" });
    const empty = fresh();
    mkdirSync(empty);
    await expect(code(empty)).resolves.toMatchObject({ code: "RUN_INVALID" });
  });

  const line = JSON.stringify(row(0, 0, "clean", true));
  test.each([
    ["torn in its last row", `${line}\n${line.slice(0, 20)}`, "IO", "line 2"],
    ["empty", "", "RUN_INVALID", "a row or more"],
    ["of an unknown attack", `${line.replace('"clean"', '"other"')}\n`, "RUN_INVALID", '"other"'],
    ["with a sample twice", `${line}\n${line}\n`, "RUN_INVALID", "line 2"],
    ["with a sample outside", `${line.replace('"sample":0', '"sample":4')}\n`, "RUN_INVALID", "below 4"],
    ["with a label outside", `${line.replace('"label":0', '"label":10')}\n`, "RUN_INVALID", "below 10"],
    [
      "with a number of steps that would not fit memory",
      `${line.replace('"firstSuccess":null', '"firstSuccess":1e9')}\n`,
      "RUN_INVALID",
      "firstSuccess",
    ],
  ])("a ledger %s", async (_, ledger, expected, message) => {
    const folder = fresh();
    writeRun(folder, fourImages);
    writeFileSync(join(folder, "ledger.jsonl"), ledger);
    await expect(code(folder)).resolves.toMatchObject({
      code: expected,
      message: expect.stringContaining(message) as string,
    });
  });

  test.each([
    ["not JSON", "{", "Expected JSON"],
    ["another program's", '{"name": "x"}', "schema version 2"],
    ["of an earlier version", '{"schemaVersion": 1}', "run it again"],
    ["without its parts", '{"schemaVersion": 2}', "identity and execution"],
    ["null", "null", "schema version 2"],
  ])("a configuration that is %s", async (_, config, message) => {
    const folder = fresh();
    writeRun(folder, fourImages);
    writeFileSync(join(folder, "config.json"), config);
    await expect(code(folder)).resolves.toMatchObject({
      code: "RUN_INVALID",
      message: expect.stringContaining(message) as string,
    });
  });
});
