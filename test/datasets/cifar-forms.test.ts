import { mkdtempSync, rmSync, symlinkSync, truncateSync, copyFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

  test.each([
    ["cifar10", "cifar-10-batches-bin", "cifar-10-batches-py", "test_batch"],
    ["cifar100", "cifar-100-binary", "cifar-100-python", "test"],
  ] as const)(
    "%s: the binary and the python form give identical batches",
    async (name, binary, python, file) => {
      const fromBinary = await openDataset(name, { data: join(data, binary) });
      const fromPython = await openDataset(name, { data: join(data, python) });
      expect(fromPython.files).toEqual([join(data, python, file)]);
      expect(fromPython.length).toBe(fromBinary.length);
      for (let start = 0; start < fromBinary.length; start += 1000) {
        const [expected, found] = await Promise.all([
          fromBinary.read(start, 1000),
          fromPython.read(start, 1000),
        ]);
        expect(found.labels).toEqual(expected.labels);
        // Much faster than an elementwise comparison by Jest
        expect(Buffer.compare(Buffer.from(found.images.buffer), Buffer.from(expected.images.buffer))).toBe(0);
      }
      await fromBinary.close();
      await fromPython.close();
    },
  );

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
