import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { drawShapes } from "../../src/datasets/draw-shapes";
import { openDataset } from "../../src/datasets/open-dataset";
import { HireSnnError } from "../../src/errors";
import { tableColumns } from "../../src/reproduction/columns";
import type { ReproductionPreset } from "../../src/reproduction/presets";
import { reproduce, type ReproduceOptions, type Reproduction } from "../../src/reproduction/reproduce";
import { train } from "../../src/training/train";
import { temporaryFolder } from "../support/temporary-folder";

jest.setTimeout(600_000);

const root = temporaryFolder();
const out = join(root, "whole");
const preset: ReproductionPreset = {
  ...{ name: "small", title: "A small network", dataset: "shapes", network: "6,A,8,A/24,10", timesteps: 4 },
  ann: { epochs: 6, batchSize: 25, optimizer: "adam", learningRate: 3e-3, weightDecay: 0 },
  spiking: { epochs: 1, batchSize: 25, learningRate: 1e-3, calibration: { images: 50, timesteps: 10 } },
  open: (split) => openDataset("shapes", { data: join(root, split) }),
};

const run = (options: Partial<ReproduceOptions>): Promise<Reproduction> =>
  reproduce({ preset, out, ...options });

const readJson = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));

beforeAll(async () => {
  await drawShapes(join(root, "train"), "train", 500);
  await drawShapes(join(root, "test"), "test", 60);
});

describe("a reproduction", () => {
  let done: Reproduction;
  const stages: string[] = [];

  beforeAll(async () => {
    // Stopped in the middle of a training, and gone on with.
    const controller = new AbortController();
    const stopped = run({
      signal: controller.signal,
      onStage: (stage) => {
        stages.push(stage);
        if (stage === "training hire-0") controller.abort(new HireSnnError("ABORTED", "Interrupted"));
      },
    });
    await expect(stopped).rejects.toMatchObject({ code: "ABORTED" });
    done = await run({ resume: true, onStage: (stage) => stages.push(stage) });
  });

  test("goes on where it was, through six trainings and three evaluations", () => {
    const trainings = ["ann-0", "traditional-0", "hire-0", "ann-1", "traditional-1", "hire-1"];
    const all = [
      ...trainings.map((name) => `training ${name}`),
      ...["ann", "traditional", "hire"].map((method) => `evaluating ${method}`),
      "reporting",
    ];
    expect(stages).toEqual([...all.slice(0, 3), ...all]);
    for (const name of trainings) expect(existsSync(join(out, name, "model.pt"))).toBe(true);
  });

  test("makes a row for each network, black box by the other seed of its method", () => {
    expect(done.rows.map(({ network }) => network)).toEqual([
      ...["ann-0", "ann-1", "traditional-0", "traditional-1", "hire-0", "hire-1"],
    ]);
    for (const { method, seed, network, figures } of done.rows) {
      const folder = join(out, "evaluation", method, `${network}-from-${method}-${1 - seed}`);
      const record = readJson(join(folder, "results.json")) as {
        preset: unknown;
        execution: { source: { name: string } };
        identity: { attacks: { parameters: unknown }[] };
        results: { attack: string; access: string; correct: number }[];
      };
      expect(record.execution.source.name).toBe(`${method}-${1 - seed}`);
      expect(record.identity.attacks.map(({ parameters }) => parameters)).toEqual([
        { epsilon: 0.031 },
        { epsilon: 0.031, steps: 7, stepSize: 0.01, randomStart: true },
      ]);
      for (const { id, attack, access } of tableColumns) {
        const result = record.results.find((each) => each.attack === attack && each.access === access);
        expect(figures[id]).toMatchObject({ correct: result?.correct, n: 60 });
      }
    }
  });

  test("leaves plan, table and report", () => {
    expect(readJson(join(out, "plan.json"))).toEqual(JSON.parse(JSON.stringify(done.plan)));
    expect(readJson(join(out, "table.json"))).toMatchObject({ preset: "small", rows: done.rows });
    expect(readFileSync(join(out, "table.md"), "utf8")).toContain("| HIRE SNN, seed 1 |");
    const report = readJson(join(out, "report", "report.json")) as { runs: unknown[]; trainings: unknown[] };
    expect([report.runs.length, report.trainings.length]).toEqual([6, 6]);
    expect(done.report[0]).toBe(join(out, "report", "report.html"));
  });

  test("that is finished is not computed again", async () => {
    const epochs = jest.fn();
    const again = await run({ resume: true, onEpoch: epochs });
    expect(again.rows).toEqual(done.rows);
    expect(epochs).not.toHaveBeenCalled();
  });

  test("goes on on another device only with a warning", async () => {
    const onWarning = jest.fn();
    await run({ resume: true, device: "cuda", onWarning }).catch((error: unknown) => {
      expect(error).toMatchObject({ code: "DEVICE_UNAVAILABLE" });
    });
    expect(onWarning.mock.calls).toEqual([["It goes on on cuda but began, and was planned, on cpu"]]);
    await run({ resume: true, device: "cpu", onWarning });
    expect(onWarning).toHaveBeenCalledTimes(1);
  });

  test("of trainings that are there evaluates them alone", async () => {
    const folder = join(root, "evaluated");
    const { plan, rows } = await run({ trainings: out, out: folder, samples: 20 });
    expect(plan.trainings.map(({ name, settings }) => [name, settings.epochs])).toEqual([
      ...[0, 1].flatMap((seed) => [
        [`ann-${seed}`, 6],
        [`traditional-${seed}`, 1],
        [`hire-${seed}`, 1],
      ]),
    ]);
    expect(rows.map(({ figures }) => figures.clean.n)).toEqual([20, 20, 20, 20, 20, 20]);
    expect(existsSync(join(folder, "ann-0"))).toBe(false);
  });

  test.each<[string, Partial<ReproduceOptions>, RegExp]>([
    ["a folder that holds one", {}, /found .*plan\.json; go on with it by resume/],
    [
      "another budget",
      { resume: true, budgetSeconds: 60 },
      /budget in seconds null, by which .* received 60/,
    ],
    ["another number of images", { resume: true, samples: 10 }, /samples 60, by which .* received 10/],
    ["more images than there are", { out: join(root, "more"), samples: 61 }, /at most 60 for samples/],
    ["no time", { out: join(root, "none"), budgetSeconds: 0 }, /seconds above 0 for the budget/],
    ["both", { out: join(root, "both"), budgetSeconds: 60, trainings: out }, /either a budget/],
    [
      "a precision for trainings that are there",
      { out: join(root, "both"), mixedPrecision: true, trainings: out },
      /either mixedPrecision/,
    ],
    [
      "to go on in another precision",
      { resume: true, mixedPrecision: true },
      /mixedPrecision false, by which .* received true/,
    ],
    ["an unknown preset", { preset: "vgg4", out: join(root, "unknown") }, /one of vgg5-cifar10/],
  ])("refuses %s", async (_, options, message) => {
    await expect(run(options)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringMatching(message),
    });
  });

  test("refuses trainings that are not all there, or of something else, and names them", async () => {
    const folder = join(root, "wanting");
    await expect(run({ trainings: join(root, "train"), out: folder })).rejects.toMatchObject({
      code: "RUN_INVALID",
      message: expect.stringMatching(/ann-0: no training\n[\s\S]*hire-1: no training/),
    });
    const other = { ...preset, network: "VGG5" };
    await expect(run({ preset: other, trainings: out, out: folder })).rejects.toMatchObject({
      code: "RUN_INVALID",
      message: expect.stringContaining('ann-0: network "6,A,8,A/24,10" instead of "VGG5"'),
    });
    expect(existsSync(join(folder, "plan.json"))).toBe(false);
  });
});

test("refuses a folder with trainings of another origin", async () => {
  const folder = join(root, "by-hand");
  const dataset = await preset.open("train", undefined, folder);
  await train({ method: "ann", network: preset.network, epochs: 1, dataset, out: join(folder, "ann-0") });
  await dataset.close();
  await expect(run({ out: folder, resume: true })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringMatching(/of another origin .*ann-0.*--trainings/),
  });
});

test("a budget is planned by what this machine takes, and the plan is kept", async () => {
  const folder = join(root, "budget");
  const controller = new AbortController();
  const plans: unknown[] = [];
  const stopped = run({
    ...{ out: folder, budgetSeconds: 1e6, signal: controller.signal },
    onPlan: (plan) => {
      plans.push(plan);
      controller.abort(new HireSnnError("ABORTED", "Interrupted"));
    },
  });
  await expect(stopped).rejects.toMatchObject({ code: "ABORTED" });
  const stored = readJson(join(folder, "plan.json")) as Reproduction["plan"];
  expect(plans).toEqual([stored]);
  const { trainingSeconds, evaluationSeconds, calibrationSeconds } = stored.measured ?? {};
  const times = [...Object.values(trainingSeconds ?? {}), ...Object.values(evaluationSeconds ?? {})];
  expect(times).toHaveLength(5);
  for (const seconds of [...times, calibrationSeconds]) expect(seconds).toBeGreaterThan(0);
  expect(stored).toMatchObject({ budgetSeconds: 1e6, samples: 60 });
  expect(stored.trainings.map(({ settings }) => settings.epochs)).toEqual([6, 1, 1, 6, 1, 1]);
  rmSync(folder, { recursive: true });
});
