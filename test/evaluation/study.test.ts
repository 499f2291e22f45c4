import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fgsmAttack } from "../../src/attacks/fgsm";
import { pgdAttack } from "../../src/attacks/pgd";
import { OrderedMap, TensorToWrite } from "../../src/checkpoint/writable";
import { writeCheckpoint } from "../../src/checkpoint/write-checkpoint";
import { loadClassifier } from "../../src/classifiers/load-classifier";
import { SpikingClassifier } from "../../src/classifiers/spiking-classifier";
import { readStudyFile } from "../../src/cli/study-file";
import { openDataset } from "../../src/datasets/open-dataset";
import { evaluate } from "../../src/evaluation/evaluate";
import { study, studyModel, type StudyModel, type StudyOptions } from "../../src/evaluation/study";
import { setThreads } from "../../src/native/addon";
import { parseNetwork } from "../../src/networks/network-text";
import type { Tensor } from "../../src/tensor/tensor";
import { linearModel, PlainClassifier } from "../attacks/closed-form";
import { smallWeights } from "../classifiers/small-networks";
import { describeWithShared, unpackedData } from "../support/shared-folder";
import { temporaryFolder } from "../support/temporary-folder";
import { randomPoints } from "./random-points";

const folder = temporaryFolder();
const ledgerOf = (run: string): Buffer => readFileSync(join(run, "ledger.jsonl"));

describe("a study of classifiers in plain JavaScript", () => {
  const loaded: PlainClassifier[] = [];
  const plain = (name: string, weights: readonly (readonly number[])[]): StudyModel => ({
    name,
    load: () => {
      loaded.push(new PlainClassifier(2, [1, 1, 2], linearModel(weights)));
      return Promise.resolve(loaded.at(-1) as PlainClassifier);
    },
  });
  const models = [
    plain("a", [
      [2, 0],
      [0, 2],
    ]),
    plain("b", [
      [1, -1],
      [0, 1],
    ]),
  ];
  const attacks = [
    fgsmAttack({ epsilon: 0.1 }),
    fgsmAttack({ epsilon: 0.2 }),
    pgdAttack({ epsilon: 0.1, steps: 3, stepSize: 0.05 }),
  ];
  const options = (): StudyOptions => ({
    models,
    sources: models,
    attacks,
    dataset: randomPoints(10),
    seed: 3,
  });

  test("counts its passes, and its ledgers are those of single runs", async () => {
    const out = join(folder, "plain");
    const { runs, passes } = await study({ ...options(), out, batchSize: 4 });
    expect(runs.map(({ name }) => name)).toEqual(["a-from-b", "b-from-a"]);
    // For each model: one gradient for both FGSMs and three of PGD; one clean pass, and its own images and the other's under three
    // attacks. The probe: one of each at the first four images.
    expect(passes).toEqual({ gradient: 2 * (10 * (1 + 3) + 4), forward: 2 * (10 * (1 + 2 * 3) + 4) });
    expect(loaded.reduce((sum, { gradients }) => sum + gradients, 0)).toBe(passes.gradient);
    for (const [target, source] of [
      ["a", "b"],
      ["b", "a"],
    ] as const) {
      const [targetModel, sourceModel] = [target, source].map((name) =>
        models.find((each) => each.name === name),
      );
      const single = join(folder, `single-${target}`);
      await evaluate({
        target: await (targetModel as StudyModel).load({}, 3),
        source: await (sourceModel as StudyModel).load({}, 3),
        ...{ dataset: randomPoints(10), attacks, seed: 3, out: single },
      });
      expect(ledgerOf(join(out, `${target}-from-${source}`)).equals(ledgerOf(single))).toBe(true);
    }
    // Again: nothing is left to do.
    const again = await study({ ...options(), out });
    expect(again.passes).toEqual({ gradient: 0, forward: 0 });
    expect(again.runs.map(({ evaluation }) => evaluation.results)).toEqual(
      runs.map(({ evaluation }) => evaluation.results),
    );
  });

  test("takes no model for another, and no run's folder for another's", async () => {
    const refused = async (changes: Partial<StudyOptions>): Promise<string> => {
      const error: unknown = await study({ ...options(), ...changes }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
      return (error as Error).message;
    };
    const [a, b] = models as [StudyModel, StudyModel];
    expect(await refused({ models: [a, { ...b, name: "a" }] })).toContain("but received a twice");
    expect(await refused({ sources: [{ ...b, name: "a" }] })).toContain("a for a model and for another one");
    const at = (path: string): StudyModel => ({ ...b, name: "a", path });
    expect(await refused({ models: [at("x/a.pt")], sources: [at("y/a.pt")] })).toContain(
      "a for x/a.pt and for y/a.pt",
    );
    expect(
      await refused({
        models: [
          { ...a, name: "m 1" },
          { ...b, name: "m-1" },
        ],
        sources: [],
      }),
    ).toContain("but received m-1 for m 1 and for m-1");
    expect(await refused({ models: [{ ...a, timesteps: 4 }], sources: [], timesteps: [4, 8] })).toContain(
      "either of the study or of the model a",
    );
    expect(await refused({ models: [] })).toContain("but received none");
    const { runs } = await study({ ...options(), models: [at("x/a.pt")], sources: [at("./x/a.pt")] });
    expect(runs.map(({ name }) => name)).toEqual(["a"]);
  });

  test("counts as its own what it computes itself, in every group", async () => {
    const out = join(folder, "groups");
    const grouped = { ...options(), out, timesteps: [4, 8], batchSize: 4 };
    const controller = new AbortController();
    const stop = study({
      ...grouped,
      signal: controller.signal,
      onProgress: ({ fraction }) => {
        if (fraction > 0.7) controller.abort(new Error("stopped"));
      },
    });
    await expect(stop).rejects.toThrow("stopped");
    const before: number[] = [];
    await study({ ...grouped, onProgress: ({ fractionBefore }) => void before.push(fractionBefore) });
    // The first group is a third of the work, and was finished; of the second, a part was.
    expect(before.at(-1)).toBeGreaterThan(1 / 3);
    expect(before.at(-1)).toBeLessThan(0.8);
  });

  test("goes on where it was stopped, also where its runs are not equally far", async () => {
    const out = join(folder, "stopped");
    const controller = new AbortController();
    const stopped = study({
      ...{ ...options(), out, batchSize: 2, signal: controller.signal },
      onProgress: ({ samplesDone }) => {
        if (samplesDone === 4) controller.abort(new Error("enough"));
      },
    });
    await expect(stopped).rejects.toThrow("enough");
    // One run lost its last batch.
    const journal = join(out, "b-from-a", "checksums.jsonl");
    const lines = readFileSync(journal, "utf8").trimEnd().split("\n");
    writeFileSync(journal, `${lines.slice(0, -1).join("\n")}\n`);
    const fractions: number[] = [];
    const { runs } = await study({
      ...{ ...options(), out, batchSize: 3 },
      onProgress: ({ fraction }) => fractions.push(fraction),
    });
    const whole = await study(options());
    expect(runs.map(({ evaluation }) => evaluation.results)).toEqual(
      whole.runs.map(({ evaluation }) => evaluation.results),
    );
    expect(fractions[0]).toBeGreaterThan(0.2);
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
    expect(fractions.at(-1)).toBe(1);
  });

  test("without sources it is white box alone", async () => {
    const { runs } = await study({ ...options(), sources: undefined });
    expect(runs.map(({ name, evaluation }) => [name, evaluation.results.length])).toEqual([
      ["a", 4],
      ["b", 4],
    ]);
  });

  test("models of one name are refused", async () => {
    const [a] = models as [StudyModel];
    await expect(study({ ...options(), models: [a, a] })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

describe("a study's file", () => {
  const read = async (text: string) => {
    const path = join(folder, "study.yaml");
    writeFileSync(path, text);
    return await readStudyFile(path);
  };
  const good = [
    "models: [a.pt, { file: b.pt, name: second, timesteps: 4 }]",
    'attacks: [fgsm, "pgd:step-size=0.01"]',
    "epsilons: [0.01, 8/255]",
    "steps: [3, 7]",
    "surrogates: [atan]",
    "dataset: { name: cifar10 }",
    "out: runs",
  ];

  test("multiplies its lists out", async () => {
    const { models, attacks, surrogates, out } = await read(good.join("\n"));
    expect(models).toEqual([
      { file: join(folder, "a.pt") },
      { file: join(folder, "b.pt"), name: "second", timesteps: 4 },
    ]);
    expect(attacks.map(({ name, parameters }) => [name, parameters["epsilon"], parameters["steps"]])).toEqual(
      [
        ["fgsm", 0.01, undefined],
        ["fgsm", 8 / 255, undefined],
        ["pgd", 0.01, 3],
        ["pgd", 8 / 255, 3],
        ["pgd", 0.01, 7],
        ["pgd", 8 / 255, 7],
      ],
    );
    expect(surrogates).toEqual([{ shape: "atan" }]);
    expect(out).toBe(join(folder, "runs"));
    expect(
      (
        await read(
          JSON.stringify({
            models: ["a"],
            attacks: ["fgsm:epsilon=1"],
            dataset: { name: "mnist" },
            out: "r",
          }),
        )
      ).seed,
    ).toBeUndefined();
  });

  test("a coding is that of all models that do not say their own, and TF32 that of a GPU", async () => {
    const { models, tf32, device } = await read(
      [...good.slice(1), "models: [a.pt, { file: a.pt, name: b, coding: direct }]"]
        .concat("coding: rate", "tf32: true", "device: cuda:1")
        .join("\n"),
    );
    expect(models.map(({ coding }) => coding)).toEqual(["rate", "direct"]);
    expect([tf32, device]).toEqual([true, "cuda:1"]);
  });

  test.each([
    ["a misspelt key", "epsilons:", "epsilon:", /line 3: unknown key "epsilon"; did you mean epsilons\?/],
    [
      "one of a model",
      "timesteps: 4",
      "timestep: 4",
      /line 1: unknown key "timestep"; did you mean timesteps\?/,
    ],
    [
      "one of the data set",
      "{ name: cifar10 }",
      "{ nam: cifar10 }",
      /line 6: unknown key "nam"; did you mean name\?/,
    ],
    ["another type", "steps: [3, 7]", "steps: [3, many]", /line 4: steps\.1: .*expected number/i],
    ["what is missing", "out: runs", "", /out: .*expected string/i],
    ["no YAML", "models: [", "models: [[", /no YAML or JSON: .*line/s],
    ["an unknown attack", "[fgsm,", "[fgms,", /did you mean fgsm\?/],
    ["an unknown surrogate", "[atan]", "[atn]", /did you mean atan\?/],
    ["an unknown coding", "out: runs", "out: runs\ncoding: poisson", /line 8: coding: .*"direct"\|"rate"/],
    ["one of a model", "timesteps: 4", "coding: poisson", /line 1: models\.1\.coding: .*"direct"\|"rate"/],
    ["TF32 without a GPU", "out: runs", "out: runs\ntf32: true", /Expected a GPU for tf32.*received cpu/],
  ])("with %s says where", async (_, from, to, message) => {
    await expect(read(good.join("\n").replace(from, to))).rejects.toMatchObject({
      message: expect.stringMatching(message) as string,
    });
  });
});

describeWithShared("a study of 2 models x (white, black) x 2 attacks x 4 epsilons x 2 time steps", () => {
  const text = "4,A,8,8,A/16,10";

  const checkpoint = (name: string, seed: number): string => {
    const network = parseNetwork(text, { inputShape: [3, 32, 32] });
    const state = new OrderedMap();
    for (const [key, { data, shape }] of smallWeights(network, seed).tensors) {
      state.set(key, new TensorToWrite("float32", shape, () => Float32Array.from(data)));
    }
    const path = join(folder, `${name}.pt`);
    writeCheckpoint(path, state);
    writeFileSync(
      join(folder, `${name}.network.json`),
      JSON.stringify({ network: text, inputShape: [3, 32, 32] }),
    );
    return path;
  };

  test("on 200 images of CIFAR-10 takes the passes worked out by hand, fewer than its single runs", async () => {
    const out = join(folder, "real");
    const paths = [checkpoint("one", 1), checkpoint("two", 2)];
    const file = join(folder, "real.yaml");
    writeFileSync(
      file,
      [
        ...["models: [one.pt, two.pt]", "sources: [one.pt, two.pt]", "timesteps: [2, 4]"],
        ...['attacks: [fgsm, "pgd:step-size=0.01"]', "steps: [3]", "epsilons: [1/255, 2/255, 4/255, 8/255]"],
        ...["dataset:", "  name: cifar10", `  data: ${await unpackedData()}`],
        ...["samples: 200", "seed: 0", "batchSize: 100", "out: real"],
      ].join("\n"),
    );
    const described = await readStudyFile(file);
    // Two threads wait for each other where other tests keep the cores busy.
    setThreads(1);
    const { name, ...where } = described.dataset;
    const dataset = await openDataset(name, where);
    const counted = { forward: 0, gradient: 0 };
    const count = (key: keyof typeof counted, method: "logitsAndSpikes" | "inputGradient"): void => {
      const original = SpikingClassifier.prototype[method] as (images: Tensor, ...rest: unknown[]) => unknown;
      jest.spyOn(SpikingClassifier.prototype, method).mockImplementation(function (
        this: SpikingClassifier,
        ...args: unknown[]
      ) {
        counted[key] += (args[0] as Tensor).shape[0] as number;
        return original.apply(this, args as [Tensor]) as never;
      });
    };
    count("forward", "logitsAndSpikes");
    count("gradient", "inputGradient");
    try {
      const load = ({ file: path }: { file: string }): StudyModel => studyModel(path, dataset);
      const models = described.models.map(load);
      const { runs, passes } = await study({ ...described, models, sources: models, dataset });
      // Four configurations (model, time steps). Each gives, on every image, one gradient for all FGSMs (it starts at the image, and is
      // the clean pass as well) and three for PGD at each of four epsilons, and classifies 8 white-box and 8 black-box images. The probe
      // takes one gradient and one forward pass of 8 images.
      const byHand = { gradient: 4 * (200 * (1 + 4 * 3) + 8), forward: 4 * (200 * (8 + 8) + 8) };
      expect(byHand).toEqual({ gradient: 10_432, forward: 12_832 });
      expect(passes).toEqual(byHand);
      expect(counted).toEqual(byHand);
      expect(readdirSync(out).sort()).toEqual([
        ...["one-T2-from-two", "one-T4-from-two", "study.json", "two-T2-from-one", "two-T4-from-one"],
      ]);
      expect(runs.every(({ evaluation }) => evaluation.results.length === 1 + 2 * 8)).toBe(true);

      // A single run: the same ledger, and each of the four takes the gradients of its white and of its black box.
      Object.assign(counted, { forward: 0, gradient: 0 });
      const [own, other] = paths as [string, string];
      using target = await loadClassifier(own, { ...dataset, timesteps: 2 });
      using source = await loadClassifier(other, { ...dataset, timesteps: 2 });
      const single = join(folder, "real-single");
      await evaluate({
        ...{ target, source, dataset, attacks: described.attacks },
        ...{ samples: 200, seed: 0, batchSize: 32, out: single },
      });
      expect(ledgerOf(join(out, "one-T2-from-two")).equals(ledgerOf(single))).toBe(true);
      expect(counted.gradient).toBe(2 * (200 * (1 + 4 * 3) + 8));
      expect(byHand.gradient).toBeLessThan(4 * counted.gradient);
      expect(byHand.forward).toBeLessThan(4 * counted.forward);
    } finally {
      jest.restoreAllMocks();
      setThreads(2);
      await dataset.close();
    }
  }, 300_000);
});

test("leaks in the place of the checkpoint's are in the identity, and change the spikes", async () => {
  const network = parseNetwork("4,A,8,8,A/16,10", { inputShape: [3, 32, 32] });
  const state = new OrderedMap();
  for (const [key, { data, shape }] of smallWeights(network, 1).tensors) {
    state.set(key, new TensorToWrite("float32", shape, () => Float32Array.from(data)));
  }
  mkdirSync(join(folder, "leaks"));
  const path = join(folder, "leaks", "net.pt");
  writeCheckpoint(path, state);
  const options = { network: "4,A,8,8,A/16,10", timesteps: 4 };
  using all = await loadClassifier(path, { ...options, leaks: 0.5 });
  expect(all.identity["leaks"]).toEqual([0.5, 0.5, 0.5, 0.5]);
  using each = await loadClassifier(path, { ...options, leaks: [1, 0.75, 0.5, 0.25] });
  expect(each.identity["leaks"]).toEqual([1, 0.75, 0.5, 0.25]);
  await expect(loadClassifier(path, { ...options, leaks: [1] })).rejects.toMatchObject({
    message: expect.stringContaining("one for each of the 4 spiking layers") as string,
  });
});
