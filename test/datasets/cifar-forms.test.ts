import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, symlinkSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Dataset } from "../../src/datasets/dataset";
import { openDataset } from "../../src/datasets/open-dataset";
import { describeWithShared, unpackedData } from "../support/shared-folder";

describeWithShared("the published CIFAR files", () => {
  let data: string;
  let folder: string;
  beforeAll(async () => {
    data = await unpackedData();
    folder = mkdtempSync(join(tmpdir(), "hire-snn-forms-"));
  }, 300_000);
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  /** Two sets have the same labels and, bit for bit, the same images. */
  async function expectIdentical(found: Dataset, expected: Dataset): Promise<void> {
    expect(found.length).toBe(expected.length);
    for (let start = 0; start < expected.length; start += 1000) {
      const [one, other] = await Promise.all([found.read(start, 1000), expected.read(start, 1000)]);
      expect(one.labels).toEqual(other.labels);
      // Much faster than an elementwise comparison by Jest
      expect(Buffer.compare(Buffer.from(one.images.buffer), Buffer.from(other.images.buffer))).toBe(0);
    }
  }

  test.each([
    ["cifar10", "cifar-10-batches-bin", "cifar-10-batches-py", "test_batch"],
    ["cifar100", "cifar-100-binary", "cifar-100-python", "test"],
  ] as const)(
    "%s: the binary and the python form give identical batches",
    async (name, binary, python, file) => {
      const fromBinary = await openDataset(name, { data: join(data, binary) });
      const fromPython = await openDataset(name, { data: join(data, python) });
      expect(fromPython.files).toEqual([join(data, python, file)]);
      await expectIdentical(fromPython, fromBinary);
      await fromBinary.close();
      await fromPython.close();
    },
  );

  test.each([
    ["cifar10", "cifar-10-batches-bin", "cifar-10-binary.tar.gz", "test"],
    ["cifar10", "cifar-10-batches-bin", "cifar-10-binary.tar.gz", "train"],
    ["cifar10", "cifar-10-batches-py", "cifar-10-python.tar.gz", "test"],
    ["cifar100", "cifar-100-binary", "cifar-100-binary.tar.gz", "test"],
    ["cifar100", "cifar-100-binary", "cifar-100-binary.tar.gz", "train"],
    ["cifar100", "cifar-100-python", "cifar-100-python.tar.gz", "test"],
  ] as const)("%s: %s packed as %s gives identical batches (%s)", async (name, form, archive, split) => {
    const packed = mkdtempSync(join(folder, "packed-"));
    // By the system's tar, in the published layout
    execFileSync("tar", ["--use-compress-program=gzip -1", "-cf", join(packed, archive), form], {
      cwd: data,
    });
    const fromArchive = await openDataset(name, { data: packed, split });
    const fromFolder = await openDataset(name, { data: join(data, form), split });
    expect(fromArchive).toMatchObject({ files: [join(packed, archive)], sha256: fromFolder.sha256 });
    await expectIdentical(fromArchive, fromFolder);
    if (split === "test") {
      const named = await openDataset(name, { data: join(packed, archive) });
      expect(named.sha256).toBe(fromArchive.sha256);
    }
    await fromFolder.close();
    rmSync(packed, { recursive: true });
  });

  test("an archive without the split, or of the other data set, is refused by its member", async () => {
    const packed = mkdtempSync(join(folder, "packed-"));
    const archive = join(packed, "cifar-100-python.tar.gz");
    // The training part of the python form is not there.
    execFileSync("tar", ["--use-compress-program=gzip -1", "-cf", archive, "cifar-100-python"], {
      cwd: data,
    });
    for (const [name, split, member] of [
      ["cifar100", "train", "cifar-100-binary/train.bin"],
      ["cifar10", "test", "cifar-10-batches-bin/test_batch.bin"],
    ] as const) {
      await expect(openDataset(name, { data: archive, split })).rejects.toMatchObject({
        code: "DATASET_INVALID",
        message: expect.stringContaining(`Expected ${member} in ${archive}`) as string,
      });
    }
  });

  test("the parent folder will do, and its binary form is preferred", async () => {
    const dataset = await openDataset("cifar10", { data });
    expect(dataset.files).toEqual([join(data, "cifar-10-batches-bin", "test_batch.bin")]);
    // As published
    expect(dataset.sha256).toBe("8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b");
    const { labels } = await dataset.read(0, 10);
    expect(Array.from(labels, (label) => dataset.classes[label])).toEqual([
      ...["cat", "ship", "ship", "airplane", "frog", "frog", "automobile", "frog", "cat", "automobile"],
    ]);
    await dataset.close();
  });

  test("with python pickles alone, these are read", async () => {
    symlinkSync(join(data, "cifar-100-python"), join(folder, "cifar-100-python"));
    const dataset = await openDataset("cifar100", { data: folder });
    expect(dataset.files).toEqual([join(folder, "cifar-100-python", "test")]);
    await dataset.close();
  });

  test("a pickle that was cut is refused with both sizes", async () => {
    const cut = join(folder, "test_batch");
    copyFileSync(join(data, "cifar-10-batches-py", "test_batch"), cut);
    truncateSync(cut, 20_000_000);
    await expect(openDataset("cifar10", { data: folder })).rejects.toMatchObject({
      code: "DATASET_INVALID",
      message: expect.stringMatching(/test_batch.*20000000 bytes.*31035526/s) as string,
    });
  });
});
