import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { openDataset } from "../../src/datasets/open-dataset";
import { train, type TrainOptions } from "../../src/training/train";
import { runCli, type CliResult } from "../cli/run-cli";
import { numbers } from "../classifiers/small-networks";
import { makeShapes } from "./make-shapes";

jest.setTimeout(300_000);

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "hire-snn-resume-"));
  await makeShapes(join(folder, "shapes"), 400);
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** HIRE with noise that is kept: all that a state can hold. A checkpoint after every mini-batch. */
const settings = [
  [
    "train",
    "--method",
    "hire",
    "--network",
    "6,A,8,A/24,10",
    "--dataset",
    "shapes",
    "--timesteps",
    "4",
    "--epochs",
    "20",
  ],
  [
    "--batch-size",
    "20",
    "--lr",
    "1e-3",
    "--noise",
    "keep",
    "--crop-padding",
    "2",
    "--flip",
    "true",
    "--threads",
    "2",
  ],
  [
    "--calibration-images",
    "50",
    "--calibration-timesteps",
    "8",
    "--seed",
    "12345678901234567890",
    "--checkpoint-minutes",
    "0",
  ],
].flat();

function trainInto(
  name: string,
  more: string[],
  options: Parameters<typeof runCli>[1] = {},
): Promise<CliResult> {
  return runCli(
    [...settings, "--data", join(folder, "shapes"), "--out", join(folder, name), ...more],
    options,
  );
}

test("a training that is killed at ten moments ends in the checkpoint of one that is not, byte for byte", async () => {
  const started = performance.now();
  expect((await trainInto("whole", [])).code).toBe(0);
  // Ten of these together are, on average, as long as the whole training, and each begins with loading libtorch.
  const longest = (performance.now() - started) / 5;
  const random = numbers(Number(process.hrtime.bigint() % 2n ** 32n));
  const model = (name: string): Buffer => readFileSync(join(folder, name, "model.pt"));
  const epochs = (name: string): unknown[] =>
    readFileSync(join(folder, name, "log.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => {
        const { seconds, imagesPerSecond, etaSeconds, ...figures } = JSON.parse(line) as Record<
          string,
          unknown
        >;
        expect([seconds, imagesPerSecond, etaSeconds].every(Number.isFinite)).toBe(true);
        return figures;
      });

  const moments: number[] = [];
  // One that comes to its end before its tenth kill is followed by another.
  for (let kills = 0, trainings = 0; kills < 10; trainings++) {
    const name = `killed${trainings}`;
    for (let ended = false; !ended;) {
      const resume = existsSync(join(folder, name, "config.json")) ? ["--resume"] : [];
      const moment = kills < 10 ? longest * random() : Infinity;
      moments.push(Math.round(moment));
      const { code, stderr } = await trainInto(name, resume, {
        onStart: (child) => {
          if (kills < 10) void setTimeout(moment).then(() => child.kill("SIGKILL"));
        },
      });
      if (code === null) kills++;
      else expect({ code, stderr, moments }).toMatchObject({ code: 0 });
      ended = code === 0;
    }
    expect(model(name).equals(model("whole"))).toBe(true);
    expect(epochs(name)).toEqual(epochs("whole"));
  }
});

test("under rate coding one that is interrupted between mini-batches, and within a later epoch, ends in the same checkpoint", async () => {
  const dataset = await openDataset("shapes", { data: join(folder, "shapes") });
  const options: Omit<TrainOptions, "out"> = {
    ...{ method: "hire", network: "6,A,8,A/24,10", coding: "rate", timesteps: 4, epochs: 3, batchSize: 40 },
    ...{ learningRate: 1e-3, seed: 7, hire: { noise: "keep" }, calibration: { images: 50, timesteps: 8 } },
    dataset,
  };
  const whole = await train({ ...options, out: join(folder, "rate-whole") });
  const out = join(folder, "rate-interrupted");
  let done = 0;
  for (const last of [4, 15]) {
    const controller = new AbortController();
    const onProgress = (): void => {
      if (++done === last) controller.abort(new Error("interrupted"));
    };
    const run = train({ ...options, out, resume: done > 0, signal: controller.signal, onProgress });
    await expect(run).rejects.toThrow("interrupted");
  }
  const resumed = await train({ ...options, out, resume: true });
  await dataset.close();
  expect(done).toBe(15);
  expect(resumed.settings.coding).toBe("rate");
  expect(readFileSync(resumed.path).equals(readFileSync(whole.path))).toBe(true);
  const accuracies = (name: string): unknown[] =>
    readFileSync(join(folder, name, "log.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => {
        const { loss, heldOutAccuracy } = JSON.parse(line) as Record<string, unknown>;
        return { loss, heldOutAccuracy };
      });
  expect(accuracies("rate-interrupted")).toEqual(accuracies("rate-whole"));
  await expect(train({ ...options, out, coding: "direct", resume: true })).rejects.toMatchObject({
    message: expect.stringContaining('coding: "direct" instead of "rate"') as string,
  });
});

test("rate coding is refused for an ANN before anything is made", async () => {
  const { code, stderr } = await runCli([
    ...["train", "--method", "ann", "--coding", "rate", "--network", "6,A,8,A/24,10", "--dataset", "shapes"],
    ...["--data", join(folder, "shapes"), "--out", join(folder, "ann-rate")],
  ]);
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: expect.stringContaining(
      "Expected direct coding (--coding) for the method ann but received rate",
    ) as string,
  });
  expect(existsSync(join(folder, "ann-rate"))).toBe(false);
});

test("Ctrl-C ends it with a checkpoint and the code of an interruption", async () => {
  let interrupted = false;
  const { code } = await trainInto("interrupted", ["--checkpoint-minutes", "60"], {
    onStart: (child) =>
      void (async () => {
        while (!existsSync(join(folder, "interrupted", "config.json"))) await setTimeout(20);
        await setTimeout(700);
        interrupted = child.kill("SIGINT");
      })(),
  });
  expect({ code, interrupted }).toEqual({ code: 130, interrupted: true });
  const files = readdirSync(join(folder, "interrupted"));
  if (files.includes("checkpoint.json"))
    expect(files.some((name) => /^step-\d+\.state\.pt$/.test(name))).toBe(true);
  expect((await trainInto("interrupted", ["--resume", "--checkpoint-minutes", "60"])).code).toBe(0);
  const model = (name: string): Buffer => readFileSync(join(folder, name, "model.pt"));
  expect(model("interrupted").equals(model("whole"))).toBe(true);
});
