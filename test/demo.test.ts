import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadClassifier } from "../src/classifiers/load-classifier";
import { openDataset } from "../src/datasets/open-dataset";
import { evaluate, type Evaluation } from "../src/evaluation/evaluate";
import type { Access } from "../src/evaluation/ledger-row";
import type { Result } from "../src/evaluation/results";

const root = join(__dirname, "..");
const demo = join(root, "examples", "demo");

/** What the quick start shows has to be worth showing: a network that spikes, learned its task, and falls to attacks. */
describe("the committed pair", () => {
  let evaluation: Evaluation;

  beforeAll(async () => {
    const dataset = await openDataset("shapes", { data: demo });
    using target = await loadClassifier(join(demo, "target.pt"));
    using source = await loadClassifier(join(demo, "source.pt"));
    evaluation = await evaluate({ target, source, dataset, attacks: "hire", seed: 0 });
    await dataset.close();
  });

  function result(attack: string, access: Access): Result {
    return evaluation.results.find((entry) => entry.attack === attack && entry.access === access)!;
  }

  test("has at least three spiking layers that neither are silent nor fire all the time", () => {
    const spiking = result("clean", "none").spikes!.filter(({ kind }) => kind !== "average-pool");
    const moderate = spiking.filter(({ rate }) => rate >= 0.02 && rate <= 0.3);
    expect(moderate.length).toBeGreaterThanOrEqual(3);
  });

  test("classifies clean images, and falls to FGSM and further to PGD", () => {
    const clean = result("clean", "none").top1;
    const fgsm = result("fgsm", "white").top1;
    expect(clean).toBeGreaterThanOrEqual(0.9);
    expect(clean - fgsm).toBeGreaterThanOrEqual(0.2);
    expect(result("pgd", "white").top1).toBeLessThanOrEqual(fgsm);
  });

  test("loses less to the same attacks on another network", () => {
    const clean = result("clean", "none").top1;
    for (const attack of ["fgsm", "pgd"]) {
      const black = result(attack, "black").top1;
      expect(black).toBeLessThan(clean);
      expect(black).toBeGreaterThan(result("pgd", "white").top1);
      expect(black).toBeGreaterThan(result(attack, "white").top1);
    }
  });

  test("consists of two different networks", () => {
    expect(readFileSync(join(demo, "target.pt")).equals(readFileSync(join(demo, "source.pt")))).toBe(false);
  });
});

test("its images are what its script draws", () => {
  const folder = mkdtempSync(join(tmpdir(), "hire-snn-demo-"));
  try {
    const script = join(root, "scripts", "demo", "make-images.mjs");
    expect(spawnSync(process.execPath, [script, folder], { encoding: "utf8" })).toMatchObject({ status: 0 });
    for (const file of ["images.bin", "images.json"]) {
      expect(readFileSync(join(folder, file)).equals(readFileSync(join(demo, file)))).toBe(true);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
