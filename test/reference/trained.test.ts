import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { loadClassifier } from "../../src/classifiers/load-classifier";
import { openDataset } from "../../src/datasets/open-dataset";
import { evaluate } from "../../src/evaluation/evaluate";
import { train } from "../../src/training/train";
import { demo, root } from "../cli/run-cli";
import { describeUnless } from "../support/skip";
import { makeShapes } from "../training/make-shapes";
import { report } from "./fixtures";

/** Images that may be classified otherwise: the order of sums flips a spike here and there. */
const tolerance = 2;
const python = process.env["HIRE_SNN_REFERENCE_PYTHON"];

jest.setTimeout(10 * 60_000);

describeUnless(
  python ? null : "`npm run test:reference` says which Python",
  "checkpoints of training",
  () => {
    test("one that is trained here is as accurate in the reference", async () => {
      const folder = mkdtempSync(join(tmpdir(), "hire-snn-trained-"));
      try {
        const images = join(folder, "shapes");
        await makeShapes(images, 1200);
        const dataset = await openDataset("shapes", { data: images });
        const common = { dataset, network: "12,A,24,24,A/64,10", batchSize: 50 } as const;
        const ann = await train({
          ...{ ...common, method: "ann", optimizer: "adam", learningRate: 2e-3, weightDecay: 0, epochs: 6 },
          out: join(folder, "ann"),
        });
        const hire = await train({
          ...{ ...common, method: "hire", timesteps: 6, learningRate: 5e-4, epochs: 3, from: ann.path },
          ...{ calibration: { images: 200, timesteps: 20 }, out: join(folder, "hire") },
        });
        await dataset.close();
        await compare("trained here", hire.path, images);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });

    test("one that the reference trained is as accurate here", async () => {
      await compare("trained by the reference", join(demo, "target.pt"), demo);
    });
  },
);

async function compare(what: string, path: string, images: string): Promise<void> {
  const script = join(root, "scripts", "reference", "evaluate_shapes.py");
  const { stdout } = await promisify(execFile)(String(python), [script, path, images]);
  const reference = JSON.parse(stdout) as { correct: number; images: number };
  const dataset = await openDataset("shapes", { data: images });
  using target = await loadClassifier(path);
  const { results } = await evaluate({ target, dataset, attacks: [], seed: 0 });
  await dataset.close();
  const ours = results[0];
  report(
    `${what}: correct of ${reference.images}, ours ${ours?.correct} and the reference ${reference.correct}`,
  );
  expect(ours?.n).toBe(reference.images);
  // Far above chance, so that agreement says something.
  expect(reference.correct / reference.images).toBeGreaterThan(0.5);
  expect(Math.abs((ours?.correct ?? NaN) - reference.correct)).toBeLessThanOrEqual(tolerance);
}
