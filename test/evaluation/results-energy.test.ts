import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fgsmAttack } from "../../src/attacks/fgsm";
import { loadClassifier } from "../../src/classifiers/load-classifier";
import { openDataset } from "../../src/datasets/open-dataset";
import { syntheticActivity } from "../../src/energy/activity";
import { evaluate, type Evaluation } from "../../src/evaluation/evaluate";
import { readLedger } from "../../src/evaluation/ledger";
import { summarise } from "../../src/evaluation/results";
import { activityOf, whyWithoutEnergies } from "../../src/evaluation/results-activity";
import { energiesOf } from "../../src/evaluation/results-energy";
import { resultKeys, type ModelIdentity, type RunConfig } from "../../src/evaluation/run-config";

const demo = join(__dirname, "..", "..", "examples", "demo");

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hire-snn-energy-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function run(name: string, batchSize: number, engine: "plain" | "multistep"): Promise<Evaluation> {
  const dataset = await openDataset("shapes", { data: demo });
  try {
    using target = await loadClassifier(join(demo, "target.pt"), { ...dataset, kernels: { engine } });
    const attacks = [fgsmAttack({ epsilon: 0.031 })];
    const out = join(folder, name);
    return await evaluate({ target, dataset, attacks, samples: 12, batchSize, seed: 0, out });
  } finally {
    await dataset.close();
  }
}

test("energies follow from the run's folder alone", async () => {
  const evaluation = await run("run", 5, "multistep");
  const path = join(folder, "run");
  const { identity } = JSON.parse(readFileSync(join(path, "config.json"), "utf8")) as RunConfig;
  const { target } = identity;
  const results = await summarise(
    readLedger(path),
    resultKeys(identity),
    target.layers ?? [],
    target.connections,
  );
  expect(results).toEqual(evaluation.results);
  expect(energiesOf(target, results)).toEqual(evaluation.energy);
  expect(evaluation.energy?.energies[0]?.picojoules).toHaveLength(2);
  expect(energiesOf(target, results, { borders: "exact" })?.borders).toBe("exact");
});

test("behind a pool the spikes reach at least as far as the inputs, and nothing reaches farther than the padded count", async () => {
  const { identity, results } = await run("run", 12, "multistep");
  for (const result of results) {
    const { connections, layers } = activityOf(identity.target, result) ?? { connections: [], layers: [] };
    expect(connections.map(({ connection }) => connection.to)).toEqual([
      "conv1",
      "conv2",
      "conv3",
      "linear1",
      "output",
    ]);
    for (const { input, exact, connection } of connections) {
      const [byNonZero, bySpikes, dense] = [exact?.byNonZero, exact?.bySpikes, exact?.dense] as [
        number,
        number,
        number,
      ];
      expect(byNonZero).toBeGreaterThan(0);
      expect(byNonZero).toBeLessThanOrEqual(dense);
      expect(bySpikes).toBeGreaterThanOrEqual(byNonZero);
      if (input === "spikes") expect(bySpikes).toBe(byNonZero);
      // A linear layer has no borders: each spike of its neurons reaches every output.
      const neurons = layers.find(({ layer }) => layer.name === connection.neurons);
      if (connection.kind !== "linear") continue;
      expect(bySpikes).toBeCloseTo((neurons?.spikes as number) * connection.outputShape[0], 6);
    }
  }
});

test("rows do not depend on the batch size; engines that agree in their spikes agree in what these reach", async () => {
  const rows: unknown[][] = [];
  for (const [name, batchSize, engine] of [
    ["a", 1, "multistep"],
    ["b", 12, "multistep"],
    ["c", 5, "plain"],
  ] as const) {
    await run(name, batchSize, engine);
    const counts: unknown[] = [];
    for await (const { sample, attack, spikes, reached } of readLedger(join(folder, name))) {
      // The images of an attack may differ where engines round the gradient otherwise.
      if (engine === "multistep" || attack === "clean") counts.push({ sample, attack, spikes, reached });
    }
    rows.push(counts);
  }
  const [single, together, plain] = rows as [unknown[], unknown[], unknown[]];
  expect(together).toEqual(single);
  expect(plain).toEqual(single.filter((row) => (row as { attack: string }).attack === "clean"));
});

test("a rate-coded network has no energies of the image's multiplications: its first layer adds at spikes that are not counted", async () => {
  const dataset = await openDataset("shapes", { data: demo });
  try {
    using target = await loadClassifier(join(demo, "target.pt"), { ...dataset, coding: "rate" });
    const { identity, results, energy } = await evaluate({
      ...{ target, dataset, attacks: [], samples: 4, seed: 0 },
    });
    expect(results[0]?.spikes?.[0]?.rate).toBeGreaterThan(0);
    expect(results[0]?.synapses).toBeDefined();
    expect(identity.target["coding"]).toBe("rate");
    expect(energy).toBeUndefined();
    expect(activityOf(identity.target, results[0] ?? {})).toBeUndefined();
    expect(energiesOf(identity.target, results)).toBeUndefined();
    expect(whyWithoutEnergies(identity.target)).toMatch(/rate coding.*additions.*not counted/);
    // The coding alone decides: the same counts under direct coding have energies.
    const direct = { ...identity.target, coding: "direct" };
    expect(whyWithoutEnergies(direct)).toBeUndefined();
    expect(energiesOf(direct, results)?.energies[0]?.picojoules[0]).toBeGreaterThan(0);
  } finally {
    await dataset.close();
  }
});

test("a target that does not record what it takes has no energies", () => {
  const target: ModelIdentity = { classes: 2, inputShape: [1, 2, 2] };
  expect(energiesOf(target, [])).toBeUndefined();
  expect(activityOf(target, {})).toBeUndefined();
  expect(() => syntheticActivity({ timesteps: 1, layers: [], connections: [] }, [])).not.toThrow();
});
