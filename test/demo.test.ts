import { join } from "node:path";
import { loadClassifier } from "../src/classifiers/load-classifier";
import { openDataset } from "../src/datasets/open-dataset";
import { evaluate, type Evaluation } from "../src/evaluation/evaluate";

/**
 * What the demo shows has to be what a robustness evaluation shows: a network that is accurate, that spikes, and that attacks
 * break in the order of their strength. Otherwise it would demonstrate nothing.
 */
const folder = join(__dirname, "..", "examples", "demo");

let evaluation: Evaluation;

beforeAll(async () => {
  const dataset = await openDataset("shapes", { data: folder });
  using target = await loadClassifier(join(folder, "target.pt"), dataset);
  using source = await loadClassifier(join(folder, "source.pt"), dataset);
  evaluation = await evaluate({ target, source, dataset, attacks: "hire", seed: 0 });
  await dataset.close();
}, 300_000);

function top1(attack: string, access: string): number {
  const result = evaluation.results.find((row) => row.attack === attack && row.access === access);
  expect(result).toBeDefined();
  return result?.top1 as number;
}

test("at least three spiking layers fire at rates of 2 to 30 %", () => {
  const layers = evaluation.results[0]?.spikes?.filter(({ kind }) => kind !== "average-pool") ?? [];
  const active = layers.filter(({ rate }) => rate >= 0.02 && rate <= 0.3);
  expect(active.length).toBeGreaterThanOrEqual(3);
});

test("clean accuracy is at least 90 %", () => {
  expect(top1("clean", "none")).toBeGreaterThanOrEqual(0.9);
});

test("white-box FGSM costs at least 20 points, and PGD no fewer", () => {
  expect(top1("fgsm", "white")).toBeLessThanOrEqual(top1("clean", "none") - 0.2);
  expect(top1("pgd", "white")).toBeLessThanOrEqual(top1("fgsm", "white"));
});

test("black box lies between white-box PGD and clean", () => {
  for (const attack of ["fgsm", "pgd"]) {
    expect(top1(attack, "black")).toBeGreaterThan(top1("pgd", "white"));
    expect(top1(attack, "black")).toBeLessThan(top1("clean", "none"));
  }
});
