import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { collect, readTarGz, type TarLimits } from "../../src/datasets/tar-gz";
import { makeTar, makeTarGz, type TarEntry } from "../support/make-tar";
import { temporaryFolder } from "../support/temporary-folder";

const folder = temporaryFolder();
let count = 0;

function write(content: Uint8Array): string {
  const path = join(folder, `${++count}.tar.gz`);
  writeFileSync(path, content);
  return path;
}

const limits = { bytes: 100_000, members: 10 };

/** All members, as text. */
async function read(path: string, within: TarLimits = limits): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  await readTarGz(path, within, ({ name, size }) => async (content) => {
    found[name] = Buffer.from(await collect(content, size)).toString();
  });
  return found;
}

const honest: readonly TarEntry[] = [
  { name: "set/", type: "5" },
  { name: "set/a", content: "first" },
  { name: "./set/b", content: "b".repeat(3000) },
  { name: "set/empty" },
];

test("members are handed out one after the other, whole", async () => {
  expect(await read(write(makeTarGz(honest)))).toEqual({
    "set/a": "first",
    "set/b": "b".repeat(3000),
    "set/empty": "",
  });
});

test("what is not asked for is passed over", async () => {
  const taken: string[] = [];
  await readTarGz(write(makeTarGz(honest)), limits, ({ name, size }) =>
    name === "set/b"
      ? async (content) => {
          taken.push(Buffer.from(await collect(content, size)).toString());
        }
      : undefined,
  );
  expect(taken).toEqual(["b".repeat(3000)]);
});

test("a member waits for the one before", async () => {
  const events: string[] = [];
  await readTarGz(write(makeTarGz(honest)), limits, ({ name, size }) => async (content) => {
    events.push(`begin ${name}`);
    await collect(content, size);
    await new Promise((resolve) => setTimeout(resolve, 5));
    events.push(`end ${name}`);
  });
  expect(events).toEqual(["set/a", "set/b", "set/empty"].flatMap((name) => [`begin ${name}`, `end ${name}`]));
});

test("a taker's own failure is the reading's", async () => {
  const reading = readTarGz(
    write(makeTarGz(honest)),
    limits,
    () => () => Promise.reject(new Error("full disk")),
  );
  await expect(reading).rejects.toThrow("full disk");
});

test("a refused archive has nobody at work any more, and asks for no further member", async () => {
  for (const entries of [
    [{ name: "../evil", content: "x" }, ...honest],
    [...honest, { name: "../evil", content: "x" }],
    [{ name: "set/long", content: Buffer.alloc(600_000) }, { name: "../evil" }, ...honest],
  ]) {
    let working = 0;
    const asked: string[] = [];
    const reading = readTarGz(write(makeTarGz(entries)), { bytes: 1e6, members: 10 }, ({ name, size }) => {
      asked.push(name);
      return async (content) => {
        working++;
        try {
          await new Promise((resolve) => setTimeout(resolve, 20));
          await collect(content, size);
        } finally {
          await new Promise((resolve) => setTimeout(resolve, 20));
          working--;
        }
      };
    });
    await expect(reading).rejects.toThrow(/leads out of its folder/);
    expect(working).toBe(0);
    const before = asked.length;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(asked).toHaveLength(before);
  }
});

describe("refuses an archive with", () => {
  test.each<[string, TarEntry, RegExp]>([
    ["a path upwards", { name: "../evil", content: "x" }, /"\.\.\/evil", which leads out/],
    ["a path upwards further in", { name: "set/../../evil", content: "x" }, /leads out of its folder/],
    ["an absolute path", { name: "/tmp/evil", content: "x" }, /"\/tmp\/evil", which leads out/],
    ["a path of Windows", { name: "C:\\evil", content: "x" }, /leads out of its folder/],
    [
      "a symbolic link",
      { name: "set/link", type: "2", link: "/etc/passwd" },
      /no regular file \(SymbolicLink\)/,
    ],
    ["a hard link", { name: "set/link", type: "1", link: "set/a" }, /no regular file \(Link\)/],
    ["a device", { name: "set/null", type: "3" }, /no regular file \(CharacterDevice\)/],
    ["one name twice", { name: "set/a", content: "second" }, /"set\/a" twice/],
    ["a size beyond the limit", { name: "set/c", content: "", size: 8 ** 10 }, /with 1073741824 bytes/],
  ])("%s, whether it is asked for or not", async (_, entry, message) => {
    const path = write(makeTarGz([...honest, entry]));
    const refusal = { code: "DATASET_INVALID", message: expect.stringMatching(message) as string };
    await expect(read(path)).rejects.toMatchObject(refusal);
    await expect(readTarGz(path, limits, () => undefined)).rejects.toMatchObject(refusal);
  });

  test("more members than the limit", async () => {
    const many = Array.from({ length: 11 }, (_, i) => ({ name: `set/${i}` }));
    await expect(read(write(makeTarGz(many)))).rejects.toThrow(/more than 10 members/);
  });

  test("more bytes than the limit, before they are unpacked", async () => {
    const bomb = gzipSync(Buffer.concat([makeTar(honest).subarray(0, -1024), Buffer.alloc(200_000_000)]));
    expect(bomb.length).toBeLessThan(250_000);
    const before = process.memoryUsage().rss;
    await expect(read(write(bomb))).rejects.toThrow(/more than 100000 bytes when unpacked/);
    expect(process.memoryUsage().rss - before).toBeLessThan(50_000_000);
  });

  test("compressed data within the compressed data", async () => {
    await expect(read(write(gzipSync(makeTarGz(honest))))).rejects.toThrow(/compressed data within/);
  });
});

describe("finds damage:", () => {
  const good = makeTarGz(honest);
  const tar = makeTar(honest);
  const flipped = Buffer.from(good);
  flipped[good.length - 6]! ^= 1;
  test.each([
    ["cut", good.subarray(0, good.length - 20), /cut or damaged/],
    ["a wrong checksum", flipped, /cut or damaged \(incorrect data check\)/],
    ["no gzip", Buffer.from("<html>please log in</html>"), /cut or damaged \(incorrect header check\)/],
    ["empty", Buffer.alloc(0), /cut or damaged|without an end/],
    ["no tar within", gzipSync(Buffer.alloc(2000, "x")), /cut or damaged/],
    ["a member that is cut", gzipSync(tar.subarray(0, 4000)), /cut or damaged|without an end/],
    ["a header that is cut", gzipSync(tar.subarray(0, 2000)), /without an end/],
  ])("%s", async (_, content, message) => {
    await expect(read(write(content))).rejects.toMatchObject({
      code: "DATASET_INVALID",
      message: expect.stringMatching(message) as string,
    });
  });

  test("no file", async () => {
    await expect(read(join(folder, "none.tar.gz"))).rejects.toMatchObject({ code: "DATASET_INVALID" });
  });
});

test("a signal stops it", async () => {
  const signal = AbortSignal.abort(new Error("enough"));
  await expect(read(write(makeTarGz(honest)), { ...limits, signal })).rejects.toThrow("enough");
});
