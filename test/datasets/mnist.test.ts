import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { openDataset } from "../../src/datasets/open-dataset";
import { describeWithShared } from "../support/shared-folder";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hire-snn-mnist-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** An idx file of bytes. */
function idx(shape: readonly number[], data: Uint8Array, magic = 0x0800 + shape.length): Buffer {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.writeUInt32BE(magic, 0);
  shape.forEach((size, i) => header.writeUInt32BE(size, 4 + 4 * i));
  return Buffer.concat([header, data]);
}

const pixels = Uint8Array.from({ length: 3 * 784 }, (_, i) => i % 256);
const images = idx([3, 28, 28], pixels);
const labels = idx([3], Uint8Array.of(7, 2, 1));

function write(target: string, contents: Readonly<Record<string, Uint8Array>>): void {
  mkdirSync(target, { recursive: true });
  for (const [name, content] of Object.entries(contents)) writeFileSync(join(target, name), content);
}

test.each([
  ["plain, in torchvision's folder", "MNIST/raw", "", (content: Buffer) => content],
  ["gzipped, in mnist", "mnist", ".gz", gzipSync],
  ["gzipped without the ending, in the folder itself", ".", "", gzipSync],
])("%s", async (_, place, ending, pack) => {
  write(join(folder, place), {
    [`t10k-images-idx3-ubyte${ending}`]: pack(images),
    [`t10k-labels-idx1-ubyte${ending}`]: pack(labels),
  });
  const dataset = await openDataset("mnist", { data: folder });
  expect(dataset).toMatchObject({
    ...{ name: "mnist", split: "test", length: 3, imageShape: [1, 28, 28], mean: [0.1307], std: [0.3081] },
    // The unpacked content's, however it is kept
    sha256: createHash("sha256").update(images).update(labels).digest("hex"),
  });
  expect(dataset.classes).toHaveLength(10);
  const batch = await dataset.read(1, 5);
  expect(batch.labels).toEqual(Int32Array.of(2, 1));
  expect(batch.images).toHaveLength(2 * 784);
  expect([batch.images[0], batch.images[1]]).toEqual([Math.fround(16 / 255), Math.fround(17 / 255)]);
  await dataset.close();
});

describe("refuses", () => {
  test.each([
    [
      "another magic number",
      { images: idx([3, 28, 28], pixels, 0x0d03) },
      /begins with 0x00000803 .* 0x00000d03/,
    ],
    ["labels for images", { images: idx([9], new Uint8Array(9)) }, /begins with 0x00000803 .* 0x00000801/],
    ["other sizes", { images: idx([3, 8, 98], pixels) }, /28 x 28 .* \[3, 8, 98\]/],
    ["more labels than images", { labels: idx([4], Uint8Array.of(1, 2, 3, 4)) }, /3 labels .* found 4/],
    ["a short file", { images: images.subarray(0, 2000) }, /2368 bytes .* found 2000/],
    ["a long file", { images: Buffer.concat([images, Buffer.alloc(1)]) }, /2368 bytes .* found more/],
    ["a header that is cut", { labels: labels.subarray(0, 5) }, /header of 8 bytes .* found 5 bytes/],
    ["an empty file", { labels: Buffer.alloc(0) }, /header of 8 bytes .* found 0 bytes/],
    ["sizes beyond memory", { images: idx([0xffffffff, 0xffff, 28], pixels) }, /at most 2147483648 bytes/],
    ["cut gzip data", { images: gzipSync(images).subarray(0, 200) }, /whole gzip data/],
    ["a gzip bomb", { labels: gzipSync(Buffer.concat([labels, Buffer.alloc(1e8)])) }, /found more/],
  ])("%s", async (_, changes, message) => {
    const files: Record<string, Uint8Array> = { images, labels, ...changes };
    write(folder, {
      "t10k-images-idx3-ubyte": files["images"]!,
      "t10k-labels-idx1-ubyte": files["labels"]!,
    });
    await expect(openDataset("mnist", { data: folder })).rejects.toMatchObject({
      code: "DATASET_INVALID",
      message: expect.stringMatching(message) as string,
    });
  });

  test("a label that does not exist", async () => {
    write(folder, {
      "t10k-images-idx3-ubyte": images,
      "t10k-labels-idx1-ubyte": idx([3], Uint8Array.of(1, 10, 2)),
    });
    const dataset = await openDataset("mnist", { data: folder });
    await expect(dataset.read(0, 3)).rejects.toMatchObject({ code: "DATASET_INVALID" });
  });

  test("a folder without it, with the way to fetch it, and one without labels", async () => {
    await expect(openDataset("mnist", { data: folder })).rejects.toThrow(/hire-snn data fetch mnist/);
    write(folder, { "t10k-images-idx3-ubyte": images });
    await expect(openDataset("mnist", { data: folder })).rejects.toThrow(/t10k-labels-idx1-ubyte.* beside/);
  });
});

describeWithShared("the published MNIST files", (shared) => {
  test("gzipped and plain give identical batches, and the known first labels", async () => {
    const published = join(shared, "data", "mnist");
    for (const name of ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]) {
      write(folder, { [name]: gunzipSync(readFileSync(join(published, `${name}.gz`))) });
    }
    const gzipped = await openDataset("mnist", { data: published });
    const plain = await openDataset("mnist", { data: folder });
    expect([gzipped.length, plain.sha256]).toEqual([10_000, gzipped.sha256]);
    const [expected, found] = await Promise.all([gzipped.read(0, 10_000), plain.read(0, 10_000)]);
    expect(found.labels).toEqual(expected.labels);
    expect(Buffer.compare(Buffer.from(found.images.buffer), Buffer.from(expected.images.buffer))).toBe(0);
    expect(Array.from(expected.labels.subarray(0, 10))).toEqual([7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
    // The training set's mean is 0.1307; the test set's is close.
    const mean = expected.images.reduce((sum, pixel) => sum + pixel, 0) / expected.images.length;
    expect(mean).toBeCloseTo(0.1325, 4);
  });

  test("the training part has 60,000 images", async () => {
    const dataset = await openDataset("mnist", { data: join(shared, "data"), split: "train" });
    expect(dataset.length).toBe(60_000);
    expect(Array.from((await dataset.read(0, 5)).labels)).toEqual([5, 0, 4, 1, 9]);
  });
});
