import { createHash } from "node:crypto";
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDataset } from "../../src/datasets/open-dataset";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hire-snn-cifar-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A file of zeros that takes no space, with some bytes written into it. */
function sparseFile(path: string, size: number, contents: Readonly<Record<number, Uint8Array>> = {}): void {
  const file = openSync(path, "w");
  ftruncateSync(file, size);
  for (const [position, content] of Object.entries(contents))
    writeSync(file, content, 0, content.length, Number(position));
  closeSync(file);
}

const record10 = 3073;
const record100 = 3074;

test("CIFAR-10: records are a label and three planes", async () => {
  const data = join(folder, "cifar-10-batches-bin");
  mkdirSync(data);
  sparseFile(join(data, "test_batch.bin"), 10_000 * record10, {
    [9_998 * record10]: Uint8Array.of(7, 255, 51),
    [9_999 * record10 + record10 - 1]: Uint8Array.of(102),
  });
  const dataset = await openDataset("cifar10", { data: folder });
  expect(dataset).toMatchObject({
    ...{ name: "cifar10", split: "test", length: 10_000, imageShape: [3, 32, 32] },
    ...{ mean: [0.4914, 0.4822, 0.4465], std: [0.2023, 0.1994, 0.201] },
    files: [join(data, "test_batch.bin")],
  });
  expect(dataset.classes[3]).toBe("cat");
  const { images, labels, start } = await dataset.read(9_998, 32);
  expect([start, ...labels]).toEqual([9_998, 7, 0]);
  expect(images).toHaveLength(2 * 3072);
  expect(Array.from(images.subarray(0, 3))).toEqual([1, Math.fround(0.2), 0]);
  expect(images[2 * 3072 - 1]).toBe(Math.fround(0.4));
  await dataset.close();
});

test("CIFAR-10's training part runs through five files, which may lie in the named folder itself", async () => {
  for (let i = 1; i <= 5; i++) {
    sparseFile(join(folder, `data_batch_${i}.bin`), 10_000 * record10, {
      0: Uint8Array.of(i),
      [9_999 * record10]: Uint8Array.of(i, 255),
    });
  }
  const dataset = await openDataset("cifar10", { data: folder, split: "train" });
  expect(dataset.length).toBe(50_000);
  const { images, labels } = await dataset.read(19_999, 2);
  expect(Array.from(labels)).toEqual([2, 3]);
  expect([images[0], images[3072]]).toEqual([1, 0]);
  expect((await dataset.read(49_999, 9)).labels).toEqual(Int32Array.of(5));
  await dataset.close();
});

test("CIFAR-100 takes the fine label", async () => {
  sparseFile(join(folder, "test.bin"), 10_000 * record100, { [record100]: Uint8Array.of(19, 99, 255) });
  const dataset = await openDataset("cifar100", { data: folder });
  expect(dataset.classes).toHaveLength(100);
  expect([dataset.classes[0], dataset.classes[99]]).toEqual(["apple", "worm"]);
  const { images, labels } = await dataset.read(1, 1);
  expect([labels[0], images[0]]).toEqual([99, 1]);
  await dataset.close();
});

test("the hash is that of the file", async () => {
  sparseFile(join(folder, "test_batch.bin"), 10_000 * record10);
  const dataset = await openDataset("cifar10", { data: folder });
  const expected = createHash("sha256")
    .update(new Uint8Array(10_000 * record10))
    .digest("hex");
  expect(dataset.sha256).toBe(expected);
  await dataset.close();
});

describe("names what is wrong:", () => {
  test("nothing there", async () => {
    await expect(openDataset("cifar10", { data: folder })).rejects.toMatchObject({
      code: "DATASET_INVALID",
      message: expect.stringMatching(/cifar-10-batches-bin .*30730000 bytes.*cifar-10-batches-py/) as string,
    });
  });

  test("a missing file", async () => {
    mkdirSync(join(folder, "cifar-100-binary"));
    await expect(openDataset("cifar100", { data: folder })).rejects.toMatchObject({
      code: "DATASET_INVALID",
      message: expect.stringMatching(/30740000 bytes in .*test\.bin but found no such file/) as string,
    });
  });

  test("a short file", async () => {
    sparseFile(join(folder, "test_batch.bin"), 10_000 * record10 - 1);
    await expect(openDataset("cifar10", { data: folder })).rejects.toMatchObject({
      code: "DATASET_INVALID",
      message: expect.stringMatching(
        /30730000 bytes in .*test_batch\.bin but found 30729999 bytes/,
      ) as string,
    });
  });

  test("a label that does not exist", async () => {
    sparseFile(join(folder, "test_batch.bin"), 10_000 * record10, { [5 * record10]: Uint8Array.of(10) });
    const dataset = await openDataset("cifar10", { data: folder });
    await expect(dataset.read(0, 32)).rejects.toMatchObject({
      code: "DATASET_INVALID",
      message: expect.stringContaining("sample 5") as string,
    });
    await dataset.close();
  });

  test.each([
    ["empty", new Uint8Array(0)],
    ["no pickle", Uint8Array.of(1, 2, 3)],
    ["another pickle", Buffer.from("\x80\x02K\x07.", "latin1")],
    ["a dict without data", Buffer.from("\x80\x02}U\x06labels]s.", "latin1")],
  ])("a python file that is %s", async (_, content) => {
    writeFileSync(join(folder, "test_batch"), content);
    await expect(openDataset("cifar10", { data: folder })).rejects.toMatchObject({
      code: "DATASET_INVALID",
      message: expect.stringMatching(/test_batch.*published one 31035526/) as string,
    });
  });

  test("a python file that would run code", async () => {
    writeFileSync(join(folder, "test_batch"), "cos\nsystem\n(S'touch /tmp/never'\ntR.");
    await expect(openDataset("cifar10", { data: folder })).rejects.toMatchObject({
      code: "CHECKPOINT_UNSAFE",
    });
  });

  test("an unknown name or split", async () => {
    await expect(openDataset("svhn" as "cifar10", { data: folder })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
    await expect(openDataset("cifar10", { data: folder, split: "dev" as "test" })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
  });
});
