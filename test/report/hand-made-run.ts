import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LedgerRow } from "../../src/evaluation/ledger-row";
import { schemaVersion, type AttackIdentity } from "../../src/evaluation/run-config";

export function attack(
  id: string,
  name: string,
  epsilon: number,
  parameters: Record<string, number | boolean> = {},
): AttackIdentity {
  return { id, name, threatModel: { norm: "Linf", epsilon }, parameters: { epsilon, ...parameters } };
}

export function row(
  sample: number,
  label: number,
  id: string,
  correct: boolean,
  changes: Partial<LedgerRow> = {},
): LedgerRow {
  return {
    ...{ sample, label, attack: id, access: id === "clean" ? "none" : "white", valid: true },
    ...{
      prediction: correct ? label : label + 1,
      rank: correct ? 0 : 1,
      margin: correct ? 1 : -1,
      loss: 0.5,
    },
    ...{ linf: 0, l2: 0, tie: false, zeroGradient: 0, firstSuccess: null },
    ...changes,
  };
}

export interface HandMade {
  readonly rows: readonly LedgerRow[];
  readonly attacks?: readonly AttackIdentity[];
  readonly samples?: number;
  readonly name?: string;
  readonly sha256?: string;
  readonly timesteps?: number;
  readonly classes?: readonly string[];
  readonly source?: string;
  readonly results?: object | null;
  readonly target?: object;
  readonly execution?: object;
}

/** Writes the folder of a run whose figures were worked out by hand. */
export function writeRun(folder: string, run: HandMade): void {
  const { rows, attacks = [], samples = 4, name = "net.pt", sha256 = "ab".repeat(32), timesteps = 2 } = run;
  const {
    classes = ["cat", "dog"],
    source,
    results = { note: null, warnings: [] },
    target = {},
    execution,
  } = run;
  const layers = [
    { name: "conv1", kind: "conv", neurons: 10 },
    { name: "linear1", kind: "linear", neurons: 4 },
  ];
  const model = { classes: 10, inputShape: [1, 2, 2] };
  const config = {
    schemaVersion,
    identity: {
      ...{ version: "0.1.0", code: "00", target: { ...model, timesteps, layers, ...target } },
      source: source === undefined ? null : { ...model, timesteps, layers },
      dataset: { name: "points", split: "test", sha256, samples },
      ...{ attacks, seed: 0 },
    },
    execution: {
      target: { name, path: null },
      source: source === undefined ? null : { name: source, path: null },
      ...{ data: [], classes, batchSize: 2, out: folder, startedAt: "2020-01-01T00:00:00.000Z" },
      ...{ node: "v20.0.0", platform: "linux x64", ...execution },
    },
  };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  writeFileSync(join(folder, "ledger.jsonl"), rows.map((each) => `${JSON.stringify(each)}\n`).join(""));
  if (results) writeFileSync(join(folder, "results.json"), JSON.stringify(results));
}

/** Four images of two classes under three attacks, with everything that figures are made of. */
export const fourImages: HandMade = {
  attacks: [
    attack("near", "fgsm", 0.1),
    attack("far", "fgsm", 0.2),
    attack("pgd", "pgd", 0.1, { steps: 2, stepSize: 0.05, randomStart: true }),
  ],
  rows: [
    row(0, 0, "clean", true, {
      spikes: [
        [1, 3],
        [0, 2],
      ],
    }),
    row(0, 0, "near", true),
    row(0, 0, "far", false),
    row(0, 0, "pgd", false, { firstSuccess: 1 }),
    row(1, 0, "clean", true, {
      spikes: [
        [1, 3],
        [0, 2],
      ],
    }),
    row(1, 0, "near", false, { tie: true }),
    row(1, 0, "far", true, { tie: true, zeroGradient: 1 }),
    row(1, 0, "pgd", false, { firstSuccess: 0 }),
    row(2, 1, "clean", true, {
      spikes: [
        [2, 2],
        [0, 0],
      ],
    }),
    row(2, 1, "near", true),
    row(2, 1, "far", true),
    row(2, 1, "pgd", true),
    row(3, 1, "clean", false, {
      spikes: [
        [0, 4],
        [0, 0],
      ],
    }),
    row(3, 1, "near", false),
    row(3, 1, "far", false),
    row(3, 1, "pgd", false, { valid: false, prediction: -1, rank: 10, margin: null, loss: null }),
  ],
};
