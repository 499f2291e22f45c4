import { createHash, randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import type { PublishedHash, PublishedSet } from "../../../src/datasets/published/catalogue";
import { fetchPublished, type FetchOptions, type FetchProgress } from "../../../src/datasets/published/fetch";
import { makeTar, makeTarGz, type TarEntry } from "../../support/make-tar";
import { cutAfter, ScriptedServer, type Answer } from "../../support/scripted-server";
import { temporaryFolder } from "../../support/temporary-folder";

const top = temporaryFolder();
const server = new ScriptedServer();
let data: string;

beforeAll(() => server.start());
afterAll(() => server.stop());
beforeEach(() => {
  server.reset();
  data = join(mkdtempSync(join(top, "fetch-")), "data");
});

const md5 = (content: Uint8Array): PublishedHash => `md5:${createHash("md5").update(content).digest("hex")}`;
const sha256 = (content: Uint8Array): PublishedHash =>
  `sha256:${createHash("sha256").update(content).digest("hex")}`;

const train = randomBytes(30_000);
const testPart = randomBytes(2_000);
const honest: readonly TarEntry[] = [
  { name: "set-py/", type: "5" },
  { name: "set-py/train", content: train },
  { name: "set-py/readme.html", content: "<p>Read me" },
  { name: "set-py/test", content: testPart },
];

/** A set like CIFAR, as if the archive had been published. */
function tarSet(archive = makeTarGz(honest), served = archive): PublishedSet {
  server.files.set("set-python.tar.gz", served);
  return {
    name: "set",
    url: server.url,
    archives: [{ name: "set-python.tar.gz", bytes: archive.length, hash: md5(archive), packing: "tar.gz" }],
    fetched: {
      folder: "set-py",
      files: [
        { name: "train", bytes: train.length, hash: md5(train) },
        { name: "test", bytes: testPart.length, hash: md5(testPart) },
      ],
    },
    others: [],
  };
}

/** A set like MNIST. */
function gzSet(images = gzipSync(train)): PublishedSet {
  const labels = gzipSync(testPart);
  server.files.set("images.gz", images).set("labels.gz", labels);
  return {
    name: "gz",
    url: server.url,
    archives: [
      { name: "images.gz", bytes: images.length, hash: md5(images), packing: "gz" },
      { name: "labels.gz", bytes: labels.length, hash: md5(labels), packing: "gz" },
    ],
    fetched: {
      folder: "GZ/raw",
      files: [
        { name: "images", bytes: train.length, hash: sha256(train) },
        { name: "labels", bytes: testPart.length, hash: sha256(testPart) },
      ],
    },
    others: [],
  };
}

function fetchSet(set: PublishedSet, options: FetchOptions = {}, silence = 2_000) {
  return fetchPublished(set, { data, ...options }, { waits: [1, 1], silence });
}

/** All files below the data folder, and beside it. */
function everything(): string[] {
  return readdirSync(dirname(data), { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(dirname(data).length + 1))
    .sort();
}

function expectSet(): void {
  expect(everything()).toEqual(["data/set-py/test", "data/set-py/train"]);
  expect(readFileSync(join(data, "set-py", "train")).equals(train)).toBe(true);
  expect(readFileSync(join(data, "set-py", "test")).equals(testPart)).toBe(true);
}

async function expectFailure(fetching: Promise<unknown>, message: RegExp, code = "DOWNLOAD_FAILED") {
  await expect(fetching).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message) as string,
  });
}

test("an archive is fetched, verified and unpacked into its own folder, and nothing else is left", async () => {
  const steps: FetchProgress[] = [];
  const set = tarSet();
  const result = await fetchSet(set, { onProgress: (progress) => steps.push(progress) });
  expect(result).toEqual({ folder: join(data, "set-py"), fetched: true });
  expectSet();
  const downloads = steps.flatMap((progress) => (progress.step === "downloading" ? [progress.done] : []));
  expect(downloads).toEqual([...downloads].sort((a, b) => a - b));
  expect(downloads.at(-1)).toBe(set.archives[0]!.bytes);
  expect(steps.at(-1)).toEqual({ step: "unpacking", file: "set-python.tar.gz" });
});

test("gzipped files", async () => {
  await fetchSet(gzSet());
  expect(everything()).toEqual(["data/GZ/raw/images", "data/GZ/raw/labels"]);
  expect(readFileSync(join(data, "GZ", "raw", "images")).equals(train)).toBe(true);
});

test("what is there is verified, not fetched", async () => {
  const set = tarSet();
  await fetchSet(set);
  expect(await fetchSet(set)).toMatchObject({ fetched: false });
  expect(server.requests).toEqual(["/set-python.tar.gz"]);
});

test("a file that is missing is added, the others stay as they are", async () => {
  const set = gzSet();
  const folder = join(data, "GZ", "raw");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "labels"), testPart);
  utimesSync(join(folder, "labels"), 1000, 1000);
  expect(await fetchSet(set)).toMatchObject({ fetched: true });
  expect(server.requests).toEqual(["/images.gz"]);
  expect(statSync(join(folder, "labels")).mtimeMs).toBe(1000_000);
});

test("another file in its place is never overwritten", async () => {
  mkdirSync(join(data, "set-py"), { recursive: true });
  writeFileSync(join(data, "set-py", "test"), "mine");
  await expectFailure(
    fetchSet(tarSet()),
    /set-py\/test but found md5:.*delete or rename it/,
    "DATASET_INVALID",
  );
  expect(readFileSync(join(data, "set-py", "test"), "utf8")).toBe("mine");
  expect(server.requests).toEqual([]);
});

test("a mirror is a folder of the same archives", async () => {
  const set = tarSet();
  server.files.set("mine/set-python.tar.gz", server.files.get("set-python.tar.gz")!);
  await fetchSet(set, { mirror: `${server.url}mine` });
  expect(server.requests).toEqual(["/mine/set-python.tar.gz"]);
  for (const mirror of ["mirror", "ftp://mirror.example/", "file:///etc/"]) {
    await expectFailure(fetchSet(set, { mirror }), /http or https URL .*--mirror/, "INVALID_ARGUMENT");
  }
});

test("two fetches at once fetch once", async () => {
  const set = tarSet();
  const waiting: FetchProgress[] = [];
  const results = await Promise.all([
    fetchSet(set),
    fetchSet(set, { onProgress: (progress) => waiting.push(progress) }),
  ]);
  expect(results.map(({ fetched }) => fetched).sort()).toEqual([false, true]);
  expect(server.requests).toHaveLength(1);
  expectSet();
});

describe("a connection that is cut", () => {
  test("is continued by range, as often as it brings something", async () => {
    server.script = [cutAfter(5_000), cutAfter(7_000), cutAfter(1), cutAfter(3_000)];
    await fetchSet(tarSet());
    expect(server.requests).toEqual([
      "/set-python.tar.gz",
      ...[5_000, 12_000, 12_001, 15_001].map((from) => `/set-python.tar.gz from ${from}`),
    ]);
    expectSet();
  });

  test("begins again where the server knows no ranges", async () => {
    const whole: Answer = (response, content) =>
      response.writeHead(200, { "content-length": content.length }).end(content);
    server.script = [cutAfter(5_000), whole];
    await fetchSet(tarSet());
    expect(server.requests).toHaveLength(2);
    expectSet();
  });

  test("is given up when nothing comes any more, and continued by the next fetch", async () => {
    server.script = [cutAfter(5_000), ...Array.from({ length: 3 }, () => cutAfter(0))];
    await expectFailure(fetchSet(tarSet()), /Expected \d+ bytes .* received 5000, then .* --mirror/);
    expect(everything()).toEqual(["data/set-python.tar.gz.partial"]);
    await fetchSet(tarSet());
    expect(server.requests.at(-1)).toBe("/set-python.tar.gz from 5000");
    expectSet();
  });

  test("by a signal, too", async () => {
    const controller = new AbortController();
    server.script = [
      (response, content) => {
        response.writeHead(200, { "content-length": content.length }).write(content.subarray(0, 4_000));
      },
    ];
    const stop = (progress: FetchProgress): void => {
      if (progress.step === "downloading") controller.abort(new Error("enough"));
    };
    await expect(fetchSet(tarSet(), { signal: controller.signal, onProgress: stop })).rejects.toThrow(
      "enough",
    );
    expect(everything()).toEqual(["data/set-python.tar.gz.partial"]);
    await fetchSet(tarSet());
    expect(server.requests.at(-1)).toMatch(/ from \d+$/);
    expectSet();
  });
});

describe("a beginning that does not belong to it", () => {
  test.each([
    ["of another file", 5_000, ["/set-python.tar.gz from 5000", "/set-python.tar.gz"]],
    ["longer than the file", 50_000, ["/set-python.tar.gz"]],
    ["as long as the file", makeTarGz(honest).length, ["/set-python.tar.gz"]],
  ])("%s is fetched anew", async (_, length, requests) => {
    mkdirSync(data);
    writeFileSync(join(data, "set-python.tar.gz.partial"), Buffer.alloc(length));
    await fetchSet(tarSet());
    expect(server.requests).toEqual(requests);
    expectSet();
  });
});

describe("a server that lies is refused:", () => {
  const archive = makeTarGz(honest);

  test.each<[string, Answer, RegExp, number]>([
    [
      "another length",
      (response, content) =>
        response.writeHead(200, { "content-length": content.length - 1 }).end(content.subarray(1)),
      /\d+ bytes .* received \d+, by its own word/,
      1,
    ],
    [
      "more than it was published with, without saying how much",
      (response, content) => response.writeHead(200).end(Buffer.concat([content, Buffer.alloc(1_000_000)])),
      /\d+ bytes .* received more/,
      1,
    ],
    [
      "packed on the way",
      (response, content) => response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(content)),
      /content-encoding gzip/,
      1,
    ],
    ["not there", (response) => response.writeHead(404).end(), /received 404 Not Found/, 1],
    ["not allowed", (response) => response.writeHead(403).end(), /received 403 Forbidden/, 1],
  ])("%s", async (_, answer, message, requests) => {
    server.script = [answer];
    await expectFailure(fetchSet(tarSet()), message);
    expect(server.requests).toHaveLength(requests);
    const left = everything().map((file) => statSync(join(dirname(data), file)).size);
    expect(Math.max(0, ...left)).toBeLessThanOrEqual(archive.length);
  });

  test.each<[string, Record<string, string>]>([
    [
      "another part than was asked for",
      { "content-range": `bytes 0-${archive.length - 1}/${archive.length}` },
    ],
    ["a part of another file", { "content-range": `bytes 5000-${archive.length}/${archive.length + 1}` }],
    ["a part of it does not say what", {}],
  ])("%s", async (_, headers) => {
    server.script = [cutAfter(5_000), (response, content) => response.writeHead(206, headers).end(content)];
    await expectFailure(fetchSet(tarSet()), /the bytes from 5000 on of \d+/);
  });

  test("a length that never comes, three times", async () => {
    server.script = Array.from({ length: 3 }, () => (response, content) => {
      response.writeHead(200, { "content-length": content.length }).flushHeaders();
      response.socket?.end();
    });
    await expectFailure(fetchSet(tarSet()), /received 0, then/);
    expect(server.requests).toHaveLength(3);
  });

  test("silence", async () => {
    server.script = Array.from({ length: 3 }, () => (response, content) => {
      response.writeHead(200, { "content-length": content.length }).flushHeaders();
    });
    await expectFailure(fetchSet(tarSet(), {}, 50), /nothing for 0\.05 s/);
  });

  test("another file of the same length, which is deleted", async () => {
    const other = Buffer.from(archive);
    other[1_000]! ^= 1;
    await expectFailure(
      fetchSet(tarSet(archive, other)),
      /a file with md5:\w+ .* one with md5:\w+, which was deleted/,
    );
    expect(everything()).toEqual([]);
  });

  test("overload passes", async () => {
    server.script = [
      (response) => response.writeHead(503).end(),
      (response) => response.writeHead(429).end(),
    ];
    await fetchSet(tarSet());
    expect(server.requests).toHaveLength(3);
    expectSet();
  });

  test("no server", async () => {
    await expectFailure(
      fetchSet(tarSet(), { mirror: "http://127.0.0.1:9/" }),
      /then ECONNREFUSED|then bad port/,
    );
  });
});

// Had such an archive the published checksum, it would still do no harm.
describe("a hostile archive writes nothing:", () => {
  const without = (name: string): TarEntry[] => honest.filter((entry) => entry.name !== name);

  test.each<[string, readonly TarEntry[], RegExp]>([
    ["a path upwards", [...honest, { name: "../evil", content: "x" }], /leads out of its folder/],
    ["a path upwards further in", [...honest, { name: "set-py/../../evil", content: "x" }], /leads out/],
    ["an absolute path", [{ name: join(top, "evil"), content: "x" }, ...honest], /leads out of its folder/],
    ["a symbolic link for the folder", [{ name: "set-py", type: "2", link: top }, ...honest], /SymbolicLink/],
    [
      "a symbolic link for a file",
      [{ name: "set-py/train", type: "2", link: join(top, "evil") }, ...without("set-py/train")],
      /SymbolicLink/,
    ],
    [
      "a hard link",
      [...without("set-py/test"), { name: "set-py/test", type: "1", link: "/etc/passwd" }],
      /\(Link\)/,
    ],
    ["a device", [...without("set-py/test"), { name: "set-py/test", type: "3" }], /CharacterDevice/],
    ["a file twice", [...honest, { name: "set-py/train", content: "x" }], /twice/],
    [
      "a longer file",
      [...without("set-py/test"), { name: "set-py/test", content: Buffer.alloc(3_000) }],
      /2000 bytes of test .* more/,
    ],
    [
      "another file",
      [...without("set-py/test"), { name: "set-py/test", content: Buffer.alloc(2_000) }],
      /md5:\w+ of test .* found md5:/,
    ],
    ["a file missing", without("set-py/test"), /set-py\/test in .* no such member/],
    [
      "a bomb among its files",
      [...honest, { name: "set-py/zeros", content: Buffer.alloc(50_000_000) }],
      /bytes/,
    ],
    [
      "many members",
      [...honest, ...Array.from({ length: 100 }, (_, i) => ({ name: `set-py/${i}` }))],
      /more than 12 members/,
    ],
  ])("%s", async (_, entries, message) => {
    await expectFailure(fetchSet(tarSet(makeTarGz(entries))), message);
    expect(everything()).toEqual([]);
    expect(existsSync(join(top, "evil"))).toBe(false);
  });

  test("a bomb behind its end", async () => {
    const bomb = gzipSync(Buffer.concat([makeTar(honest), Buffer.alloc(100_000_000)]));
    await expectFailure(fetchSet(tarSet(bomb)), /more than \d+ bytes when unpacked/);
    expect(everything()).toEqual([]);
  });

  test("a gzip bomb for a file", async () => {
    const bomb = gzipSync(Buffer.concat([train, Buffer.alloc(100_000_000)]));
    await expectFailure(fetchSet(gzSet(bomb)), /30000 bytes of images in images\.gz but found more/);
    expect(everything()).toEqual([]);
  });

  test("gzip data that is cut", async () => {
    await expectFailure(fetchSet(gzSet(gzipSync(train).subarray(0, 9_000))), /whole gzip data in images\.gz/);
    expect(everything()).toEqual([]);
  });
});

test("a folder that cannot be made", async () => {
  writeFileSync(data, "a file");
  await expectFailure(fetchSet(tarSet()), /Cannot make the folder/, "IO");
});
