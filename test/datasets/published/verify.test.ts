import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { publishedSets } from "../../../src/datasets/published/catalogue";
import { verifyDataset } from "../../../src/datasets/published/verify";
import { describeWithShared, unpackedData } from "../../support/shared-folder";
import { temporaryFolder } from "../../support/temporary-folder";

const folder = temporaryFolder();

const statuses = (files: readonly { status: string }[]): string[] => files.map(({ status }) => status);

test("nothing there is not ok", async () => {
  expect(await verifyDataset("cifar10", { data: folder })).toEqual({ name: "cifar10", forms: [], ok: false });
});

test("a name that is none", async () => {
  await expect(verifyDataset("svhn" as "mnist", { data: folder })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
  });
});

test("files are named with what they are instead", async () => {
  const raw = join(folder, "MNIST", "raw");
  mkdirSync(raw, { recursive: true });
  writeFileSync(join(raw, "t10k-labels-idx1-ubyte"), "other");
  writeFileSync(join(raw, "train-labels-idx1-ubyte"), Buffer.alloc(100_000));
  writeFileSync(join(raw, "train-images-idx3-ubyte.gz"), "no gzip");
  const { ok, forms } = await verifyDataset("mnist", { data: folder });
  expect(ok).toBe(false);
  expect(forms.map((form) => form.folder)).toEqual([raw]);
  expect(forms[0]!.files).toMatchObject([
    { status: "different", path: join(raw, "train-images-idx3-ubyte.gz"), found: "incorrect header check" },
    { status: "different", found: "more than 60008 bytes" },
    { status: "missing", path: join(raw, "t10k-images-idx3-ubyte") },
    { status: "different", found: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string },
  ]);
});

test("what is fetched is what the loaders read", () => {
  // The catalogue and the loaders are written apart.
  expect(publishedSets.cifar10.fetched.folder).toBe("cifar-10-batches-py");
  expect(publishedSets.cifar100.fetched.folder).toBe("cifar-100-python");
  for (const { archives, fetched } of Object.values(publishedSets)) {
    for (const { name, packing } of archives) expect(name.endsWith(`.${packing}`)).toBe(true);
    for (const { hash } of [...archives, ...fetched.files]) {
      expect(hash).toMatch(/^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$/);
    }
  }
});

describeWithShared("the published files", (shared) => {
  test("MNIST, gzipped", async () => {
    const { ok, forms } = await verifyDataset("mnist", { data: join(shared, "data") });
    expect(forms.flatMap(({ files }) => statuses(files))).toEqual(["ok", "ok", "ok", "ok"]);
    expect(ok).toBe(true);
  });

  test.each([
    ["cifar10", "cifar-10-batches-bin", "cifar-10-batches-py", "test_batch", 6],
    ["cifar100", "cifar-100-binary", "cifar-100-python", "test", 2],
  ] as const)(
    "%s, binary; of the python form, the test part and what is missing",
    async (name, binary, python, test, count) => {
      const data = await unpackedData();
      const alone = join(folder, name);
      mkdirSync(alone);
      symlinkSync(join(data, binary), join(alone, binary));
      const complete = await verifyDataset(name, { data: alone });
      expect(complete.ok).toBe(true);
      expect(statuses(complete.forms[0]!.files)).toEqual(Array(count).fill("ok"));

      symlinkSync(join(data, python), join(alone, python));
      const both = await verifyDataset(name, { data: alone });
      expect(both.ok).toBe(false);
      for (const { path, status } of both.forms[0]!.files) {
        const isThere = path.endsWith(`/${test}`) || path.endsWith("meta");
        expect([path, status]).toEqual([path, isThere ? "ok" : "missing"]);
      }
    },
  );
});
