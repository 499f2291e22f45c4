import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Attack } from "../../src/attacks/attack";
import { fgsmAttack } from "../../src/attacks/fgsm";
import { pgdAttack } from "../../src/attacks/pgd";
import type { SpikeCounting, SpikeCounts } from "../../src/classifiers/classifier";
import type { Dataset } from "../../src/datasets/dataset";
import { HireSnnError } from "../../src/errors";
import { evaluate, type EvaluateOptions } from "../../src/evaluation/evaluate";
import type { LedgerRow } from "../../src/evaluation/ledger-row";
import { summarise } from "../../src/evaluation/results";
import { resultKeys } from "../../src/evaluation/run-config";
import { readLedger } from "../../src/evaluation/ledger";
import type { Progress } from "../../src/evaluation/progress";
import { Tensor } from "../../src/tensor/tensor";
import { linearModel, PlainClassifier } from "../attacks/closed-form";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hire-snn-evaluate-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Points of two pixels: class 0 where the first is brighter, except sample 3, which is labelled wrongly. */
const points = [
  [0.8, 0.2, 0],
  [0.55, 0.5, 0],
  [0.2, 0.7, 1],
  [0.6, 0.4, 1],
  [0.5, 0.5, 1],
] as const;

function pointSet(changes: Partial<Dataset> = {}): Dataset {
  return {
    ...{ name: "points", split: "test", classes: ["a", "b"], length: points.length, imageShape: [1, 1, 2] },
    ...{ mean: [0], std: [1], files: ["/data/points"], sha256: "abc" },
    read: (start, count) => {
      const chosen = points.slice(start, start + count);
      return Promise.resolve({
        images: Float32Array.from(chosen.flatMap(([x, y]) => [x, y])),
        labels: Int32Array.from(chosen.map(([, , label]) => label)),
        start,
      });
    },
    close: () => Promise.resolve(),
    ...changes,
  };
}

/** Says a where the first pixel is brighter. */
const target = (): PlainClassifier =>
  new PlainClassifier(
    2,
    [1, 1, 2],
    linearModel([
      [2, 0],
      [0, 2],
    ]),
  );
/** Looks at the second pixel alone, so that its images differ from the target's. */
const source = (): PlainClassifier =>
  new PlainClassifier(
    2,
    [1, 1, 2],
    linearModel([
      [0, -1],
      [0, 1],
    ]),
  );

const attacks = [fgsmAttack({ epsilon: 0.1 }), pgdAttack({ epsilon: 0.1, steps: 3, stepSize: 0.05 })];

const base = (): EvaluateOptions => ({ target: target(), dataset: pointSet(), attacks, seed: 0 });

async function rowsIn(path: string): Promise<LedgerRow[]> {
  const rows: LedgerRow[] = [];
  for await (const row of readLedger(path)) rows.push(row);
  return rows;
}

test("white box by hand", async () => {
  const { results } = await evaluate({ ...base(), attacks: [fgsmAttack({ epsilon: 0.1 })] });
  expect(results.map(({ attack, access, correct, n }) => [attack, access, correct, n])).toEqual([
    // Sample 4 is a tie: the first class counts, and its label is the second.
    ["clean", "none", 3, 5],
    // Sample 1 falls (margin 0.05 against 2 * 0.1).
    ["fgsm", "white", 2, 5],
  ]);
  expect(results[0]).toMatchObject({ top1: 0.6, top5: 1, ties: { samples: 1, correct: 0 }, linf: 0 });
  expect(results[1]?.linf).toBeCloseTo(0.1, 6);
  // Both pixels of every image change by epsilon.
  expect(results[1]?.l2.mean).toBeCloseTo(0.1 * Math.SQRT2, 6);
  expect(results[1]?.l2.max).toBeCloseTo(0.1 * Math.SQRT2, 6);
});

test("the first success, by hand", async () => {
  const out = join(folder, "run");
  // Margins in the pixels' difference: 0.6, 0.05, 0.5, -0.2, 0. A step of 0.03 moves it by 0.06.
  const pgd = pgdAttack({ epsilon: 0.1, steps: 3, stepSize: 0.03, randomStart: false });
  await evaluate({ ...base(), source: source(), attacks: [fgsmAttack({ epsilon: 0.1 }), pgd], out });
  const firstSuccess = (await rowsIn(out)).map(({ firstSuccess: step }) => step);
  const columns = [0, 1, 2, 3, 4].map((column) => firstSuccess.filter((_, i) => i % 5 === column));
  expect(columns).toEqual([
    [null, null, null, null, null],
    // White box: the final image, which FGSM makes by its one step, is known to the target.
    [null, 1, null, 0, 0],
    [null, 1, null, 0, 0],
    // Black box: what the source thinks, which says b wherever the second pixel is not 0, at the points whose gradient it gave.
    [0, 0, null, null, null],
    [0, 0, null, null, null],
  ]);
});

test("an image found at a smaller epsilon counts at larger ones, and the raw figure stays", async () => {
  // Its gradient leads to the other class where it looks at once, but far away the class comes back: 0.1 fools it, 0.3 does not.
  const bent = new PlainClassifier(2, [1, 1, 2], (image) => {
    const d = (image[0] as number) - (image[1] as number);
    return { logits: [(d - 0.3) * (d + 0.1), 0], backward: ([g = 0]) => [g * 0.5, -g * 0.5] };
  });
  const make = (epsilon: number): Attack => fgsmAttack({ epsilon });
  const results = async (dataset: Dataset): Promise<unknown[]> => {
    const all = [make(0.3), make(0.1), attacks[1] as Attack, make(0.05)];
    const evaluation = await evaluate({ ...base(), target: bent, dataset, attacks: all });
    return evaluation.results.map(({ attack, correct, repaired }) => [attack, correct, repaired?.correct]);
  };
  const read = (): Promise<{ images: Float32Array; labels: Int32Array; start: number }> =>
    Promise.resolve({ images: Float32Array.of(0.7, 0.33), labels: Int32Array.of(0), start: 0 });
  const [clean, large, middle, pgd, small] = await results(pointSet({ length: 1, read }));
  expect([clean, large, middle, small]).toEqual([
    ["clean", 1, undefined],
    ["fgsm:epsilon=0.3", 1, 0],
    ["fgsm:epsilon=0.1", 0, 0],
    ["fgsm:epsilon=0.05", 0, 0],
  ]);
  expect(pgd).toEqual(["pgd", expect.any(Number), undefined]);
});

test("black box: the source's own white-box images, bit for bit, classified by the target", async () => {
  const seen: Float32Array[] = [];
  const recording = (attack: Attack): Attack => ({
    ...attack,
    run: async (...args) => {
      const result = await attack.run(...args);
      seen.push((await result.images.data()) as Float32Array);
      return result;
    },
  });
  const recorded = attacks.map(recording);
  const pair = await evaluate({ ...base(), source: source(), attacks: recorded });
  expect(pair.results.map(({ attack, access }) => `${attack} ${access}`)).toEqual([
    ...["clean none", "fgsm white", "pgd white", "fgsm black", "pgd black"],
  ]);
  const black = seen.splice(0).slice(2);
  await evaluate({ ...base(), target: source(), attacks: recorded });
  expect(seen).toEqual(black);

  const correct = async (data: Float32Array): Promise<number> => {
    using images = Tensor.from(data, [5, 1, 1, 2]);
    using logits = await target().logits(images);
    const values = await logits.data();
    return points.filter(([, , label], i) => {
      const [a, b] = [values[2 * i] as number, values[2 * i + 1] as number];
      return label === 0 ? a >= b : b > a;
    }).length;
  };
  expect(pair.results.slice(3).map((result) => result.correct)).toEqual(
    await Promise.all(black.map(correct)),
  );
});

test("the ledger does not depend on the batch size, and the results come from it", async () => {
  const ledgers: string[] = [];
  for (const batchSize of [1, 2, 5, 64]) {
    const out = join(folder, String(batchSize));
    const evaluation = await evaluate({ ...base(), source: source(), batchSize, out });
    ledgers.push(readFileSync(join(out, "ledger.jsonl"), "utf8"));
    const keys = resultKeys(evaluation.identity);
    expect(await summarise(readLedger(out), keys, [])).toEqual(evaluation.results);
    expect(JSON.parse(readFileSync(join(out, "results.json"), "utf8"))).toEqual(evaluation);
    const { results } = await evaluate({ ...base(), source: source(), batchSize });
    expect(results).toEqual(evaluation.results);
  }
  expect(new Set(ledgers).size).toBe(1);
});

test("the ledger has one row per sample and attack, and the configuration what repeats them", async () => {
  const out = join(folder, "run");
  const evaluation = await evaluate({ ...base(), out, samples: 4, batchSize: 3 });
  const rows = await rowsIn(out);
  expect(rows.map(({ sample, attack, access }) => `${sample} ${attack} ${access}`)).toEqual(
    [0, 1, 2, 3].flatMap((i) => [`${i} clean none`, `${i} fgsm white`, `${i} pgd white`]),
  );
  expect(rows[3]).toEqual({
    ...{ sample: 1, label: 0, attack: "clean", access: "none", valid: true, prediction: 0, rank: 0 },
    margin: Math.fround(2 * Math.fround(0.55)) - 1,
    loss: expect.closeTo(Math.log(1 + Math.exp(-0.1)), 6) as number,
    ...{ linf: 0, l2: 0, tie: false, zeroGradient: 0, firstSuccess: null },
  });
  const config = JSON.parse(readFileSync(join(out, "config.json"), "utf8")) as object;
  expect(config).toEqual({
    schemaVersion: evaluation.schemaVersion,
    identity: evaluation.identity,
    execution: evaluation.execution,
  });
  expect(config).toMatchObject({
    identity: {
      target: { classes: 2, inputShape: [1, 1, 2] },
      source: null,
      dataset: { name: "points", split: "test", sha256: "abc", samples: 4 },
      attacks: [
        {
          id: "fgsm",
          name: "fgsm",
          threatModel: { norm: "Linf", epsilon: 0.1 },
          parameters: { epsilon: 0.1 },
        },
        { id: "pgd", name: "pgd", parameters: { epsilon: 0.1, steps: 3, stepSize: 0.05, randomStart: true } },
      ],
      seed: 0,
    },
    execution: { batchSize: 3, data: ["/data/points"], out },
  });
});

test("a folder with a ledger is refused before anything is computed", async () => {
  const out = join(folder, "run");
  await evaluate({ ...base(), out });
  const before = readFileSync(join(out, "ledger.jsonl"), "utf8");
  const classifier = target();
  await expect(evaluate({ ...base(), target: classifier, out })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
  });
  expect(classifier.gradients).toBe(0);
  expect(readFileSync(join(out, "ledger.jsonl"), "utf8")).toBe(before);
});

test("an interrupted run leaves the batches that it finished", async () => {
  const out = join(folder, "run");
  const controller = new AbortController();
  const reason = new Error("enough");
  const running = evaluate({
    ...{ ...base(), out, batchSize: 2, signal: controller.signal },
    onProgress: ({ samplesDone, attack }) => {
      if (samplesDone === 2 && attack === "pgd") controller.abort(reason);
    },
  });
  await expect(running).rejects.toBe(reason);
  const rows = await rowsIn(out);
  expect(rows.map(({ sample }) => sample)).toEqual([0, 0, 0, 1, 1, 1]);
  expect(rows).toEqual(
    (await evaluate({ ...base(), out: join(folder, "whole") }), await rowsIn(join(folder, "whole"))).slice(
      0,
      6,
    ),
  );
});

test("progress rises to all samples and all work", async () => {
  const seen: Progress[] = [];
  await evaluate({
    ...base(),
    source: source(),
    batchSize: 2,
    onProgress: (progress) => seen.push(progress),
  });
  const fractions = seen.map(({ fraction }) => fraction);
  expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
  expect(seen.at(-1)).toMatchObject({ samplesDone: 5, samples: 5, access: "none" });
  expect(fractions.at(-1)).toBeCloseTo(1, 12);
});

describe("spikes", () => {
  class Counting extends PlainClassifier implements SpikeCounting {
    readonly timesteps = 2;
    readonly countedLayers = [
      { name: "conv1", kind: "conv", neurons: 10 },
      { name: "linear1", kind: "linear", neurons: 4 },
    ] as const;

    /** Counts that name sample, layer and time step: the first pixel in percent, times ten, and so on. */
    async logitsAndSpikes(images: Tensor): Promise<{ logits: Tensor; spikes: SpikeCounts }> {
      const data = await images.data();
      const samples = images.shape[0] as number;
      const counts = Int32Array.from({ length: samples * 4 }, (_, i) => {
        return Math.round(100 * (data[2 * Math.floor(i / 4)] as number)) * 10 + (i % 4);
      });
      const spikes = { layers: this.countedLayers, timesteps: 2, counts };
      return { logits: await this.logits(images), spikes };
    }
  }

  test("are in the rows by layer and time step, and in the results by layer", async () => {
    const out = join(folder, "run");
    const classifier = new Counting(
      2,
      [1, 1, 2],
      linearModel([
        [2, 0],
        [0, 2],
      ]),
    );
    const { results, identity } = await evaluate({
      ...{ ...base(), target: classifier, attacks: [attacks[0] as Attack], samples: 2, batchSize: 1, out },
    });
    expect((await rowsIn(out)).map(({ spikes }) => spikes)).toEqual([
      [
        [800, 801],
        [802, 803],
      ],
      [
        [700, 701],
        [702, 703],
      ],
      [
        [550, 551],
        [552, 553],
      ],
      [
        [450, 451],
        [452, 453],
      ],
    ]);
    expect(results[0]?.spikes).toEqual([
      { name: "conv1", kind: "conv", neurons: 10, perTimestep: [675, 676], rate: (675 + 676) / (10 * 2) },
      { name: "linear1", kind: "linear", neurons: 4, perTimestep: [677, 678], rate: (677 + 678) / (4 * 2) },
    ]);
    expect(results[1]?.spikes?.[0]?.perTimestep).toEqual([575, 576]);
    expect(identity.target).toMatchObject({ timesteps: 2, layers: classifier.countedLayers });
  });
});

describe("warnings", () => {
  const codes = async (changes: Partial<EvaluateOptions>): Promise<string[]> =>
    (await evaluate({ ...base(), samples: 3, ...changes })).warnings.map(({ code }) => code);

  test("none where there is nothing to say", async () => {
    expect(await codes({})).toEqual([]);
  });

  test("a seed that was not given", async () => {
    expect(await codes({ seed: undefined })).toEqual(["SEED_NOT_GIVEN"]);
  });

  test("the preset, which says what it is for", async () => {
    const evaluation = await evaluate({ ...base(), attacks: "hire" });
    expect(evaluation.preset).toBe("hire");
    expect(evaluation.note).toBe("for comparison with the paper, not a robustness claim");
    expect(evaluation.warnings[0]).toMatchObject({
      code: "HIRE_PRESET",
      message: expect.stringContaining("not a robustness claim") as string,
    });
    expect(evaluation.results.map(({ attack }) => attack)).toEqual(["clean", "fgsm", "pgd"]);
  });

  test("ties and zero gradients", async () => {
    const silent = new PlainClassifier(2, [1, 1, 2], () => ({ logits: [0, 0], backward: () => [0, 0] }));
    const evaluation = await evaluate({ ...base(), target: silent, samples: 3, allowZeroGradient: true });
    expect(evaluation.warnings.map(({ code }) => code)).toEqual([
      ...["TIES", "TIES", "ZERO_GRADIENT", "TIES", "ZERO_GRADIENT", "NO_GRADIENT"],
    ]);
    expect(evaluation.results[2]).toMatchObject({
      ...{
        attack: "pgd",
        correct: 2,
        ties: { samples: 3, correct: 2 },
        zeroGradient: { samples: 3, steps: 9 },
      },
    });
    expect(evaluation.warnings[1]?.message).toContain(
      "fgsm, white box: several classes share the largest logit on 3 of 3",
    );
  });
});

describe("a model that gives no gradient", () => {
  const silent = (gradient: number): PlainClassifier =>
    new PlainClassifier(2, [1, 1, 2], () => ({ logits: [1, 0], backward: () => [gradient, gradient] }));

  test("is refused before any attack, and leaves no folder behind", async () => {
    const out = join(folder, "run");
    await expect(evaluate({ ...base(), target: silent(0), out })).rejects.toMatchObject({
      code: "NO_GRADIENT",
      message: expect.stringMatching(
        /exactly zero at every pixel of all \d images.*--allow-zero-gradient/,
      ) as string,
    });
    expect(existsSync(out)).toBe(false);
    await expect(evaluate({ ...base(), source: silent(0) })).rejects.toMatchObject({ code: "NO_GRADIENT" });
  });

  test("is evaluated without attacks", async () => {
    const { results } = await evaluate({ ...base(), target: silent(0), attacks: [] });
    expect(results.map(({ attack }) => attack)).toEqual(["clean"]);
  });

  test("is refused for NaN whatever is allowed", async () => {
    await expect(evaluate({ ...base(), target: silent(NaN), allowZeroGradient: true })).rejects.toMatchObject(
      { code: "INVALID_RESULT", message: expect.stringMatching(/before any attack/) as string },
    );
  });
});

describe("a model that answers NaN at some images", () => {
  /** At the third point and around it. */
  const broken = (gradient: (isBroken: boolean) => number): PlainClassifier =>
    new PlainClassifier(2, [1, 1, 2], (image) => {
      const isBroken = (image[0] as number) < 0.4;
      return {
        logits: [isBroken ? NaN : 2 * (image[0] as number), isBroken ? 0 : 2 * (image[1] as number)],
        backward: ([a = 0, b = 0]) => (isBroken ? [gradient(true), 1] : [2 * a, 2 * b]),
      };
    });

  test("is evaluated at the others; the invalid sample is neither correct nor a success", async () => {
    const out = join(folder, "run");
    const { results, warnings } = await evaluate({ ...base(), target: broken(() => 1), out });
    expect(results.map(({ correct, n, invalid }) => [correct, n, invalid])).toEqual([
      [2, 5, 1],
      [1, 5, 1],
      [1, 5, 1],
    ]);
    expect(results[0]?.loss).toBeGreaterThan(0);
    const rows = (await rowsIn(out)).filter(({ sample }) => sample === 2);
    expect(rows).toHaveLength(3);
    for (const row of rows) {
      expect(row).toMatchObject({ valid: false, prediction: -1, rank: 2, margin: null, loss: null });
      expect(row).toMatchObject({ tie: false, firstSuccess: null });
    }
    expect(warnings.filter(({ code }) => code === "INVALID").map(({ message }) => message)).toEqual([
      expect.stringMatching(/^Clean: on 1 of 5 images/),
      expect.stringMatching(/^fgsm, white box: on 1 of 5/),
      expect.stringMatching(/^pgd, white box: on 1 of 5/),
    ]);
  });

  test("a gradient that is not finite marks the sample under the attacks that had to follow it", async () => {
    const out = join(folder, "run");
    const target = new PlainClassifier(2, [1, 1, 2], (image) => ({
      logits: [2 * (image[0] as number), 2 * (image[1] as number)],
      backward: ([a = 0, b = 0]) => [(image[0] as number) < 0.4 ? Infinity : 2 * a, 2 * b],
    }));
    const { results } = await evaluate({ ...base(), target, out });
    expect(results.map(({ invalid }) => invalid)).toEqual([0, 1, 1]);
    // Its neighbours are those of a run without it.
    await evaluate({ ...base(), out: join(folder, "whole") });
    const others = async (path: string): Promise<LedgerRow[]> =>
      (await rowsIn(path)).filter(({ sample }) => sample !== 2);
    expect(await others(out)).toEqual(await others(join(folder, "whole")));
  });

  test("a model that answers nothing else has no loss", async () => {
    const nothing = new PlainClassifier(2, [1, 1, 2], () => ({ logits: [NaN, 0], backward: () => [0, 0] }));
    const { results } = await evaluate({ ...base(), target: nothing, attacks: [] });
    expect(results[0]).toMatchObject({ correct: 0, invalid: 5, loss: null, top1: 0 });
  });
});

describe("refuses", () => {
  const refusal = async (changes: Partial<EvaluateOptions>, code: string, message: RegExp): Promise<void> => {
    await expect(evaluate({ ...base(), ...changes })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    });
  };

  test("sizes that are not possible", async () => {
    await refusal({ samples: 0 }, "INVALID_ARGUMENT", /from 1 to 5 for samples/);
    await refusal({ samples: 6 }, "INVALID_ARGUMENT", /from 1 to 5 for samples but received 6/);
    await refusal({ batchSize: 0 }, "INVALID_ARGUMENT", /batchSize/);
    await refusal({ seed: -1 }, "INVALID_ARGUMENT", /seed/);
  });

  test("models that do not fit the data", async () => {
    const wide = new PlainClassifier(2, [1, 2, 2], linearModel([]));
    const many = new PlainClassifier(3, [1, 1, 2], linearModel([]));
    await refusal(
      { target: wide },
      "INVALID_ARGUMENT",
      /\[1, 2, 2\] for the target plain .* \[1, 1, 2\] from points/,
    );
    await refusal({ source: many }, "INVALID_ARGUMENT", /3 classes for the source plain .* points with 2/);
  });

  test("attacks that cannot be told apart", async () => {
    const [fgsm] = attacks as [Attack];
    await refusal({ attacks: [fgsm, fgsm] }, "INVALID_ARGUMENT", /fgsm twice/);
    await refusal({ attacks: [fgsm, { ...fgsm }] }, "INVALID_ARGUMENT", /fgsm:epsilon=0.1 twice/);
    await refusal({ attacks: [{ ...fgsm, name: "clean" }] }, "INVALID_ARGUMENT", /another name than "clean"/);
  });

  test("images outside the box", async () => {
    const outside = pointSet({
      read: () => Promise.resolve({ images: Float32Array.of(0, 1.5), labels: Int32Array.of(0), start: 0 }),
    });
    await refusal({ dataset: outside }, "INVALID_RESULT", /pixels from 0 to 1 for points/);
  });

  test("an attack that leaves its threat model", async () => {
    const [fgsm] = attacks as [Attack];
    const cheating: Attack = { ...fgsm, threatModel: { norm: "Linf", epsilon: 0.05 } };
    await refusal(
      { attacks: [cheating] },
      "INVALID_RESULT",
      /at most 0\.05 a pixel from the attack fgsm but found 0\.1/,
    );
    const escaping: Attack = {
      ...fgsm,
      run: (_, images) => Promise.resolve({ images: images.add(0.5), zeroGradientSteps: new Int32Array(5) }),
    };
    await refusal({ attacks: [escaping] }, "INVALID_RESULT", /the images of the attack fgsm/);
    const shrinking: Attack = {
      ...fgsm,
      run: (_, images) =>
        Promise.resolve({ images: images.rows(0, 1), zeroGradientSteps: new Int32Array(5) }),
    };
    await refusal(
      { attacks: [shrinking] },
      "INVALID_RESULT",
      /\[5, 1, 1, 2\] from the attack fgsm but received .*\[1, 1, 1, 2\]/,
    );
  });
});

test("two settings of one attack are told apart by their parameters", async () => {
  const both = [0.05, 0.1].map((epsilon) => fgsmAttack({ epsilon }));
  const { results } = await evaluate({ ...base(), attacks: [...both, attacks[1] as Attack] });
  expect(results.map(({ attack }) => attack)).toEqual([
    "clean",
    "fgsm:epsilon=0.05",
    "fgsm:epsilon=0.1",
    "pgd",
  ]);
});

test("a seed of 64 bits is kept to the last digit", async () => {
  const { identity } = await evaluate({ ...base(), samples: 1, seed: 2n ** 64n - 1n });
  expect(identity.seed).toBe("18446744073709551615");
});

test("errors of this package keep their class", async () => {
  await expect(evaluate({ ...base(), samples: 0 })).rejects.toBeInstanceOf(HireSnnError);
});
