import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fgsmAttack } from "../../src/attacks/fgsm";
import { openDataset } from "../../src/datasets/open-dataset";
import { evaluate, type EvaluateOptions } from "../../src/evaluation/evaluate";
import { linearModel, PlainClassifier } from "../attacks/closed-form";
import { temporaryFolder } from "../support/temporary-folder";
import { randomPoints } from "./random-points";

const folder = temporaryFolder();
const base = (): EvaluateOptions => ({
  target: new PlainClassifier(
    2,
    [1, 1, 2],
    linearModel([
      [2, 0],
      [0, 2],
    ]),
  ),
  ...{ dataset: randomPoints(10), attacks: [fgsmAttack({ epsilon: 0.1 })], seed: 0, batchSize: 4 },
});

test("adversarial images are kept in float32, also where the run was stopped, and pictures of a few", async () => {
  const out = join(folder, "run");
  const options = { ...base(), out, saveAdversarial: true, savePng: [5] };
  const controller = new AbortController();
  const onProgress = ({ samplesDone }: { samplesDone: number }): void => {
    if (samplesDone === 4) controller.abort(new Error("enough"));
  };
  await expect(evaluate({ ...options, onProgress, signal: controller.signal })).rejects.toThrow("enough");
  await evaluate({ ...options, resume: true });
  expect(readdirSync(join(out, "adversarial"))).toEqual(["fgsm-white.npz"]);
  expect(readdirSync(join(out, "png", "5")).sort()).toEqual([
    ...["clean.png", "fgsm-white-perturbation.png", "fgsm-white.png"],
  ]);
  const kept = await openDataset("npz", { data: join(out, "adversarial", "fgsm-white.npz") });
  const [clean, adversarial] = [await randomPoints(10).read(0, 10), await kept.read(0, 10)];
  await kept.close();
  expect(adversarial.labels).toEqual(clean.labels);
  const eps = Math.fround(0.1);
  const expected = clean.images.map((value, i) => {
    const label = clean.labels[Math.floor(i / 2)] as number;
    return Math.min(1, Math.max(0, Math.fround(value + (i % 2 === label ? -eps : eps))));
  });
  expect(adversarial.images).toEqual(expected);
});

test("a run that was begun without them is not gone on with them", async () => {
  const out = join(folder, "without");
  const controller = new AbortController();
  const onProgress = ({ samplesDone }: { samplesDone: number }): void => {
    if (samplesDone === 4) controller.abort(new Error("enough"));
  };
  await expect(evaluate({ ...base(), out, onProgress, signal: controller.signal })).rejects.toThrow("enough");
  await expect(evaluate({ ...base(), out, resume: true, saveAdversarial: true })).rejects.toMatchObject({
    code: "RUN_MISMATCH",
    message: expect.stringContaining("begun without --save-adversarial") as string,
  });
  expect(existsSync(join(out, "results.json"))).toBe(false);
});

test("a run that was finished without them does not pretend to have them", async () => {
  const out = join(folder, "finished");
  const { results } = await evaluate({ ...base(), out });
  await expect(evaluate({ ...base(), out, resume: true, saveAdversarial: true })).rejects.toMatchObject({
    code: "RUN_MISMATCH",
    message: expect.stringContaining("found it finished without") as string,
  });
  expect((await evaluate({ ...base(), out, resume: true })).results).toEqual(results);
});
