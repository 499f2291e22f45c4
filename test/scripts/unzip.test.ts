import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeZip, type ZipMember } from "../support/make-zip";
import { temporaryFolder } from "../support/temporary-folder";

const unzipping = import("../../scripts/setup/unzip.mjs");
const folder = temporaryFolder();
let count = 0;

function archive(content: Buffer | readonly ZipMember[]): { file: string; target: string } {
  const name = join(folder, String(++count));
  const file = `${name}.zip`;
  writeFileSync(file, Buffer.isBuffer(content) ? content : makeZip(content));
  return { file, target: name };
}

const all = (path: string) => path;

test("members are written where they are wanted, stored or packed, executable or not", async () => {
  const { unzip } = await unzipping;
  const { file, target } = archive([
    { name: "torch/", content: "", stored: true },
    { name: "torch/lib/a", content: "a".repeat(100_000) },
    { name: "torch/run", content: "#!/bin/sh", stored: true, mode: 0o100755 },
    { name: "torch/empty", content: "", stored: true },
    { name: "other/b", content: "b" },
  ]);
  const select = (path: string) => (path.startsWith("torch/") ? path.slice("torch/".length) : null);
  expect(await unzip(file, target, select)).toBe(3);
  expect(readFileSync(join(target, "lib/a"), "utf8")).toBe("a".repeat(100_000));
  expect(readFileSync(join(target, "empty"), "utf8")).toBe("");
  expect(statSync(join(target, "run")).mode & 0o111).not.toBe(0);
  expect(statSync(join(target, "lib/a")).mode & 0o111).toBe(0);
  expect(existsSync(join(target, "b"))).toBe(false);
});

describe("is refused, with nothing written:", () => {
  test.each([
    ["a path upwards", [{ name: "../evil", content: "x" }], "would write outside its folder"],
    ["a path upwards further in", [{ name: "a/../../evil", content: "x" }], "would write outside its folder"],
    ["an absolute path", [{ name: "/tmp/evil", content: "x" }], "would write outside its folder"],
    ["a link", [{ name: "evil", content: "/etc/passwd", mode: 0o120777 }], "holds a link (evil)"],
  ])("%s", async (_, members, message) => {
    const { unzip } = await unzipping;
    const { file, target } = archive(members);
    await expect(unzip(file, target, all)).rejects.toThrow(message);
    expect(existsSync(target)).toBe(false);
    expect(existsSync(join(folder, "evil"))).toBe(false);
  });
});

describe("damage is found:", () => {
  const good = makeZip([
    { name: "a", content: "some text that is long enough to be worth packing", stored: true },
  ]);
  const changed = (at: number) => {
    const copy = Buffer.from(good);
    copy[at] = copy[at]! ^ 1;
    return copy;
  };
  test.each([
    ["cut off", good.subarray(0, good.length - 1), "does not end with a directory"],
    ["empty", Buffer.alloc(0), "does not end with a directory"],
    ["cut out of the middle", Buffer.concat([good.subarray(0, 10), good.subarray(40)]), "damaged"],
    ["a changed byte of a member", changed(35), "has another checksum than expected"],
    ["a changed signature", changed(0), "is not where it should be"],
  ])("%s", async (_, content, message) => {
    const { unzip } = await unzipping;
    const { file, target } = archive(content);
    await expect(unzip(file, target, all)).rejects.toThrow(message);
  });
});
