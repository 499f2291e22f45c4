import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openDataset } from "../../src/datasets/open-dataset";
import type { OpenDatasetOptions } from "../../src/datasets/open-dataset";
import { makeZip } from "../support/make-zip";
import { temporaryFolder } from "../support/temporary-folder";
import { goldenFolder } from "./golden";

const folder = temporaryFolder();
const arrays = join(goldenFolder, "arrays");
const statistics = { mean: [0.5, 0.4, 0.3], std: [1, 1, 1], classes: 3 };

const open = (name: string, options: OpenDatasetOptions = {}) =>
  openDataset("npz", { data: join(arrays, name), ...options });

/** np.arange(72), the images [3, 3, 2, 4] of the golden files. */
const bytes = Array.from({ length: 72 }, (_, i) => Math.fround(i / 255));

test.each(["uint8.npz", "compressed.npz", "channels-last.npz"])("%s of NumPy", async (name) => {
  const dataset = await open(name, statistics);
  expect(dataset).toMatchObject({
    ...{ name: "npz", split: "test", length: 3, imageShape: [3, 2, 4], classes: ["0", "1", "2"] },
    ...{ mean: [0.5, 0.4, 0.3], std: [1, 1, 1], files: [join(arrays, name)] },
  });
  expect(await dataset.read(0, 9)).toEqual({
    images: Float32Array.from(bytes),
    labels: Int32Array.of(2, 0, 1),
    start: 0,
  });
  expect(await dataset.read(1, 1)).toEqual({
    images: Float32Array.from(bytes.slice(24, 48)),
    labels: Int32Array.of(0),
    start: 1,
  });
  await dataset.close();
});

test.each(["float32.npz", "float64.npz"])("%s with its own classes, mean and deviation", async (name) => {
  const dataset = await open(name);
  expect(dataset).toMatchObject({
    ...{ imageShape: [1, 4, 5], classes: ["ant", "bee", "éléphant"], mean: [0.5], std: [0.25] },
  });
  const { images } = await dataset.read(0, 3);
  expect(images).toEqual(Float32Array.from({ length: 60 }, (_, i) => Math.fround(i / 60)));
  await dataset.close();
  const other = await open(name, { classes: ["a", "b", "c", "d"], mean: [0], std: [1] });
  expect(other).toMatchObject({ classes: ["a", "b", "c", "d"], mean: [0], std: [1] });
  await other.close();
});

test("Keras's names, by the split", async () => {
  const options = { mean: [0], std: [1], classes: 10 };
  const testPart = await open("keras.npz", options);
  expect(testPart).toMatchObject({ length: 3, imageShape: [1, 2, 4] });
  expect((await testPart.read(1, 1)).images[0]).toBe(Math.fround(24 / 255));
  const trainPart = await open("keras.npz", { ...options, split: "train" });
  expect(trainPart.length).toBe(2);
  expect((await trainPart.read(0, 1)).images[0]).toBe(Math.fround(8 / 255));
  await testPart.close();
  await trainPart.close();
});

test("the hash is over images and labels, and the same however the file is packed", async () => {
  const [stored, again, other] = await Promise.all(
    ["uint8.npz", "uint8.npz", "channels-last.npz"].map((name) => open(name, statistics)),
  );
  expect(stored!.sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(again!.sha256).toBe(stored!.sha256);
  expect(other!.sha256).not.toBe(stored!.sha256);
  for (const dataset of [stored, again, other]) await dataset!.close();
});

describe("refuses", () => {
  test.each([
    ["column-major.npz", /row-major order .* np\.ascontiguousarray/],
    ["big-endian.npz", /little-endian elements .* dtype >f4/],
    ["half.npz", /uint8, float32 or float64 for images .* found <f2/],
    ["objects.npz", /plain numbers .* dtype \|O/],
    ["records.npz", /plain numbers .* records/],
    ["float-labels.npz", /integers for labels .* found <f4/],
    ["fewer-labels.npz", /\[3\], one label per image, for labels .* found \[2\]/],
    ["four-channels.npz", /1 or 3 channels, first or last, .* \[3, 4, 5, 2\]/],
    ["either-way.npz", /channels either first or last .* \[3, 3, 5, 3\]/],
    ["other-names.npz", /images and labels, or x_test and y_test .* found pictures, targets/],
    ["none.npz", /no such file/],
  ])("%s", async (name, message) => {
    await expect(open(name, statistics)).rejects.toMatchObject({
      code: "DATASET_INVALID",
      message: expect.stringMatching(message) as string,
    });
  });

  test.each([
    ["outside.npz", /pixels in \[0, 1\] in images .* found 1\.0\d+ in sample 1/],
    ["nan.npz", /pixels in \[0, 1\] in images .* found NaN in sample 2/],
  ])("%s when the images are read", async (name, message) => {
    const dataset = await open(name);
    expect((await dataset.read(0, 1)).labels).toEqual(Int32Array.of(2));
    await expect(dataset.read(1, 2)).rejects.toMatchObject({
      code: "DATASET_INVALID",
      message: expect.stringMatching(message) as string,
    });
    await dataset.close();
  });

  test.each([
    ["without mean and std", { classes: 3 }, /mean and std \(--mean, --std\) .* neither/],
    ["without std", { classes: 3, mean: [0, 0, 0] }, /mean and std .* one of them/],
    [
      "a mean for other channels",
      { ...statistics, mean: [0] },
      /3 finite numbers, one per channel, for mean/,
    ],
    ["a deviation of 0", { ...statistics, std: [1, 0, 1] }, /3 finite numbers above 0, .* for std/],
    ["without classes", { ...statistics, classes: undefined }, /number of classes \(--classes\)/],
    ["an option of folders", { ...statistics, crop: 2 }, /no crop for npz/],
  ])("%s", async (_, options, message) => {
    await expect(open("uint8.npz", options)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringMatching(message) as string,
    });
  });

  test("a label that no class has", async () => {
    const dataset = await open("uint8.npz", { ...statistics, classes: 2 });
    await expect(dataset.read(0, 1)).rejects.toThrow(/label from 0 to 1 for sample 0 of npz but found 2/);
    await dataset.close();
  });

  test("no file at all", async () => {
    await expect(openDataset("npz", statistics)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

describe("finds damage:", () => {
  const good = readFileSync(join(arrays, "uint8.npz"));
  const npy = (shape: string, size: number, descr = "'|u1'"): Buffer => {
    const text = `{'descr': ${descr}, 'fortran_order': False, 'shape': ${shape}, }`.padEnd(117) + "\n";
    return Buffer.concat([
      Buffer.from("\x93NUMPY\x01\x00\x76\x00", "latin1"),
      Buffer.from(text),
      Buffer.alloc(size),
    ]);
  };
  const changed = Buffer.from(good);
  // A pixel of the first member, behind zip's and NumPy's headers
  changed[30 + changed.readUInt16LE(26) + changed.readUInt16LE(28) + 128 + 5]! ^= 1;
  const labels = { name: "labels.npy", content: npy("(3,)", 3) };

  test.each([
    ["cut", good.subarray(0, good.length - 30), /npz archive/],
    ["empty", Buffer.alloc(0), /npz archive/],
    ["a changed pixel", changed, /the checksum/],
    [
      "fewer elements than the header says",
      makeZip([{ name: "images.npy", content: npy("(3, 3, 2, 4)", 71) }, labels]),
      /\d+ bytes, as its header says/,
    ],
    [
      "2^60 elements",
      makeZip([{ name: "images.npy", content: npy("(1073741824, 1, 1024, 1048576)", 9) }, labels]),
      /as its header says/,
    ],
    ["no array", makeZip([{ name: "images.npy", content: "hello, world" }, labels]), /NumPy's format/],
    [
      "an empty member",
      makeZip([{ name: "images.npy", content: "", stored: true }, labels]),
      /NumPy's format/,
    ],
    [
      "a member that is no array",
      makeZip([labels, { name: "run.sh", content: "x" }]),
      /arrays alone .* "run\.sh"/,
    ],
    ["a path outwards", makeZip([labels, { name: "../images.npy", content: "x" }]), /npz archive/],
    ["one array twice", makeZip([labels, labels]), /labels twice/],
  ])("%s", async (_, content, message) => {
    const path = join(folder, `${createHash("sha256").update(content).digest("hex")}.npz`);
    writeFileSync(path, content);
    await expect(openDataset("npz", { data: path, ...statistics })).rejects.toMatchObject({
      code: "DATASET_INVALID",
      message: expect.stringMatching(message) as string,
    });
  });

  test("a compressed array whose size is a lie", async () => {
    const zip = makeZip([{ name: "images.npy", content: npy("(1, 1, 1, 1)", 1) }, labels]);
    const entry = zip.indexOf("PK\x01\x02");
    zip.writeUInt32LE(0x7fffffff, entry + 24);
    const path = join(folder, "lie.npz");
    writeFileSync(path, zip);
    const before = process.memoryUsage().rss;
    await expect(openDataset("npz", { data: path, ...statistics })).rejects.toThrow(
      /a possible size .* 2147483647 bytes in/,
    );
    expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
  });
});
