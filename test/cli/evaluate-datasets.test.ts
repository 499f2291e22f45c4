import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import type { Dataset } from "../../src/datasets/dataset";
import { openDataset } from "../../src/datasets/open-dataset";
import { writeNpz } from "../../src/datasets/write-npz";
import type { Evaluation } from "../../src/evaluation/evaluate";
import { temporaryFolder } from "../support/temporary-folder";
import { demo, runCli } from "./run-cli";

// The demo's images, kept in other forms: the same pixels have to give the same figures.
const folder = temporaryFolder();
const samples = 16;
let shapes: Dataset;
let expected: Evaluation["results"];

async function results(...dataset: string[]): Promise<Evaluation["results"]> {
  const { code, stdout, stderr } = await runCli([
    ...["evaluate", join(demo, "target.pt"), ...dataset, "--samples", String(samples), "--seed", "0"],
    ...["--attack", "fgsm:epsilon=0.031", "--threads", "1", "--json"],
  ]);
  expect(stderr).toMatch(/^target\.pt: /);
  expect(code).toBe(0);
  return (JSON.parse(stdout) as Evaluation).results;
}

beforeAll(async () => {
  shapes = await openDataset("shapes", { data: demo });
  expected = await results("--dataset", "shapes", "--data", demo);
});
afterAll(() => shapes.close());

test("npz", async () => {
  const path = join(folder, "shapes.npz");
  await writeNpz(path, { ...shapes, length: samples }, [await shapes.read(0, samples)]);
  expect(await results("--dataset", "npz", "--data", path)).toEqual(expected);
});

test("a folder of PNG files with a labels file", async () => {
  const data = join(folder, "images");
  mkdirSync(data);
  const { images, labels } = await shapes.read(0, samples);
  const [channels, height, width] = shapes.imageShape;
  const plane = height * width;
  for (let i = 0; i < samples; i++) {
    const bytes = Uint8Array.from({ length: 3 * plane }, (_, at) =>
      Math.round(images[(i * channels + (at % 3)) * plane + Math.floor(at / 3)]! * 255),
    );
    await sharp(bytes, { raw: { width, height, channels: 3 } })
      .png()
      .toFile(join(data, `${i}.png`));
  }
  writeFileSync(join(data, "labels.csv"), Array.from(labels, (label, i) => `${i}.png,${label}`).join("\n"));
  const found = await results(
    ...["--dataset", "folder", "--data", data, "--classes", String(shapes.classes.length)],
    ...["--mean", shapes.mean.join(","), "--std", shapes.std.join(",")],
  );
  expect(found).toEqual(expected);
});
