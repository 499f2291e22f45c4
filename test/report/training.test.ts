import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createReport } from "../../src/report/create-report";
import { renderChart } from "../../src/report/charts/render-chart";
import { htmlOf } from "../../src/report/html/page";
import type { Report, Table } from "../../src/report/report-model";
import type { EpochRecord } from "../../src/training/epoch-record";
import { temporaryFolder } from "../support/temporary-folder";
import { fourImages, writeRun } from "./hand-made-run";

const root = temporaryFolder();

function epoch(number: number, more: Partial<EpochRecord> = {}): EpochRecord {
  return {
    ...{ epoch: number, learningRate: 1e-4, loss: 2 / number, trainingAccuracy: 0.5, heldOutAccuracy: 0.4 },
    ...{ gradientNorm: 1.5, imagesPerSecond: 100, seconds: 3, etaSeconds: 4 },
    rates: { conv1: 0.1 * number, pool1: 0.3 },
    thresholds: { conv1: 0.8 },
    leaks: { conv1: 1 - 0.01 * number },
    ...more,
  };
}

function writeTraining(folder: string, method: string, log: string): void {
  mkdirSync(folder, { recursive: true });
  const identity = { method, network: "VGG5", timesteps: 4, epochs: 2 };
  writeFileSync(join(folder, "config.json"), JSON.stringify({ schemaVersion: 1, identity }));
  writeFileSync(join(folder, "log.jsonl"), log);
}

const lines = (...records: EpochRecord[]): string =>
  records.map((record) => `${JSON.stringify(record)}\n`).join("");

function tableOf({ sections }: Report, id: string): Table {
  return sections.flatMap(({ tables = [] }) => tables).find((table) => table.id === id) as Table;
}

test("the logs of trainings, one of which goes on, become tables and plots of their epochs", async () => {
  const folder = join(root, "pair");
  const ann = { thresholds: {}, leaks: {}, heldOutAccuracy: null };
  writeTraining(join(folder, "ann-0"), "ann", lines(epoch(1, ann), epoch(2, ann)));
  writeTraining(join(folder, "hire-0"), "hire", `${lines(epoch(1))}{"epoch":2,"lo`);
  const report = await createReport([folder]);
  expect(report).toMatchObject({ title: "Training of ann-0 and hire-0", subtitle: "VGG5", runs: [] });
  expect(report.sections.map(({ id }) => id)).toEqual(["training"]);
  expect(report.sections[0]?.text?.[0]).toContain(
    "ann-0: ann, VGG5, 2 epochs; hire-0: hire, VGG5, T = 4, 1 of 2",
  );
  expect(tableOf(report, "training").rows).toMatchObject([
    { training: "ann-0", epoch: 1, loss: 2, heldOutAccuracy: null },
    { training: "ann-0", epoch: 2, loss: 1 },
    { training: "hire-0", epoch: 1, trainingAccuracy: 0.5, heldOutAccuracy: 0.4 },
  ]);
  expect(tableOf(report, "training-layers").rows).toContainEqual(
    expect.objectContaining({ training: "hire-0", layer: "conv1", rate: 0.1, threshold: 0.8, leak: 0.99 }),
  );
  const charts = report.sections[0]?.charts ?? [];
  expect(charts.map(({ id }) => id.replace("training-", ""))).toEqual([
    ...["loss", "accuracy", "rates", "thresholds", "leaks"],
  ]);
  for (const { spec } of charts) expect((await renderChart(spec(900))).svg).toMatch(/<path[^>]*d="M/);
  const html = await htmlOf(report);
  expect(html).toContain("Training report");
  expect(html).toContain("from the logs of 2 trainings; no model was run for it");
});

test("runs and trainings of one folder are one report, of which the runs are the head", async () => {
  const folder = join(root, "both");
  writeTraining(join(folder, "ann"), "ann", lines(epoch(1)));
  writeRun(join(folder, "evaluation"), fourImages);
  const report = await createReport([folder]);
  expect(report.title).toMatch(/^Robustness of /);
  expect([report.runs.length, report.trainings]).toEqual([
    1,
    [{ label: "ann", folder: join(folder, "ann") }],
  ]);
  const ids = report.sections.map(({ id }) => id);
  expect(ids.slice(-2)).toEqual(["training", "identity"]);
  expect(ids).toContain("accuracy");
});

test.each([
  ["no JSON", "{\n", /Expected JSON in .*log\.jsonl/],
  ["a line of something else", '{"epoch":1}\n', /Expected loss of an epoch in line 1 of .*log\.jsonl/],
])("%s in a log is refused", async (name, log, message) => {
  const folder = join(root, name);
  writeTraining(folder, "ann", log);
  await expect(createReport([folder])).rejects.toMatchObject({
    code: "RUN_INVALID",
    message: expect.stringMatching(message),
  });
});
