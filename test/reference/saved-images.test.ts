import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { fgsmAttack } from "../../src/attacks/fgsm";
import { evaluate, type EvaluateOptions } from "../../src/evaluation/evaluate";
import { mergeRuns } from "../../src/evaluation/merge";
import { linearModel, PlainClassifier } from "../attacks/closed-form";
import { randomPoints } from "../evaluation/random-points";
import { temporaryFolder } from "../support/temporary-folder";

const python = process.env["HIRE_SNN_REFERENCE_PYTHON"] ?? "";
const folder = temporaryFolder();

/** What NumPy finds in an archive; it prints float32 as the float64 that it is. */
const load = `
import json, sys, numpy
with numpy.load(sys.argv[1], allow_pickle=False) as archive:
    print(json.dumps({name: [str(archive[name].dtype), archive[name].shape, archive[name].tolist()] for name in archive.files}))
`;

async function loadByNumpy(
  path: string,
): Promise<Record<string, [dtype: string, shape: number[], values: unknown]>> {
  const { stdout } = await promisify(execFile)(python, ["-c", load, path], { maxBuffer: 2 ** 26 });
  return JSON.parse(stdout) as Record<string, [string, number[], unknown]>;
}

test("NumPy reads the archives of --save-adversarial, also of merged shards, to the bit", async () => {
  const dataset = randomPoints(10);
  const base: EvaluateOptions = {
    target: new PlainClassifier(
      2,
      [1, 1, 2],
      linearModel([
        [2, 0],
        [0, 2],
      ]),
    ),
    ...{ dataset, attacks: [fgsmAttack({ epsilon: 0.1 })], seed: 0, saveAdversarial: true },
  };
  const whole = join(folder, "whole");
  await evaluate({ ...base, out: whole });
  const parts = [join(folder, "part-1"), join(folder, "part-2")];
  for (const [i, out] of parts.entries()) await evaluate({ ...base, out, shard: { index: i + 1, count: 2 } });
  const merged = join(folder, "merged");
  await mergeRuns(parts, merged);

  const { images, labels } = await dataset.read(0, 10);
  const epsilon = Math.fround(0.1);
  // The model's logits are the pixels: the label's is lowered, the other one raised.
  const expected = Array.from(labels, (label, i) => [
    [
      [0, 1].map((pixel) =>
        Math.min(
          1,
          Math.max(
            0,
            Math.fround((images[2 * i + pixel] as number) + (pixel === label ? -epsilon : epsilon)),
          ),
        ),
      ),
    ],
  ]);
  for (const run of [whole, merged]) {
    const arrays = await loadByNumpy(join(run, "adversarial", "fgsm-white.npz"));
    expect(arrays["images"]).toEqual(["float32", [10, 1, 1, 2], expected]);
    expect(arrays["labels"]).toEqual(["int64", [10], [...labels]]);
    expect(arrays["indices"]).toEqual(["int64", [10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]]);
    expect(arrays["mean"]).toEqual(["float64", [1], [...dataset.mean]]);
    expect(arrays["classes"]?.[2]).toEqual([...dataset.classes]);
  }
  const [part] = Object.values(await loadByNumpy(join(parts[1] as string, "adversarial", "fgsm-white.npz")));
  expect(part?.[1]).toEqual([5, 1, 1, 2]);
});
