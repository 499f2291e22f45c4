import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDataset } from "../../src/datasets/open-dataset";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hire-snn-shapes-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const images = Uint8Array.of(1, 0, 51, 0, 255, 255);
const description = {
  ...{ name: "shapes", imageShape: [1, 1, 2], classes: ["disc", "ring"], count: 2, mean: [0.5], std: [0.25] },
  sha256: createHash("sha256").update(images).digest("hex"),
};

function write(target: string, changes: object = {}, bytes: Uint8Array = images): void {
  writeFileSync(join(target, "images.json"), JSON.stringify({ ...description, ...changes }));
  writeFileSync(join(target, "images.bin"), bytes);
}

test("reads records as the description says", async () => {
  mkdirSync(join(folder, "shapes"));
  write(join(folder, "shapes"));
  const dataset = await openDataset("shapes", { data: folder });
  expect(dataset).toMatchObject({
    name: "shapes",
    length: 2,
    imageShape: [1, 1, 2],
    mean: [0.5],
    std: [0.25],
  });
  expect(await dataset.read(0, 10)).toEqual({
    images: Float32Array.of(0, 0.2, 1, 1),
    labels: Int32Array.of(1, 0),
    start: 0,
  });
  await dataset.close();
});

test.each([
  ["another hash", { sha256: "00" }, images, /SHA-256 00 /],
  ["too few bytes", {}, images.subarray(1), /6 bytes in .*images\.bin but found 5/],
  ["no shape", { imageShape: [1, 2] }, images, /under imageShape in .*images\.json/],
  ["a mean too many", { mean: [0, 0] }, images, /under mean/],
  ["a std of 0", { std: [0] }, images, /under std/],
  ["one class", { classes: ["disc"] }, images, /under classes/],
  ["no count", { count: "2" }, images, /under count in .* but found "2"/],
])("refuses %s", async (_, changes, bytes, message) => {
  write(folder, changes, bytes);
  await expect(openDataset("shapes", { data: folder })).rejects.toMatchObject({
    code: "DATASET_INVALID",
    message: expect.stringMatching(message) as string,
  });
});

test("refuses a description that is no JSON, and a folder without one", async () => {
  await expect(openDataset("shapes", { data: folder })).rejects.toMatchObject({ code: "DATASET_INVALID" });
  writeFileSync(join(folder, "images.json"), "{");
  await expect(openDataset("shapes", { data: folder })).rejects.toMatchObject({ code: "DATASET_INVALID" });
});
