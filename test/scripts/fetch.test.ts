import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setEnvironment } from "../support/environment";
import { makeZip } from "../support/make-zip";
import { temporaryFolder } from "../support/temporary-folder";
import { fakeLibtorchFiles, makeFakeLibtorch } from "./fake-libtorch";

// One after the other: Jest cannot link two graphs at once that share a module.
const fetching = import("../../scripts/setup/libtorch/fetch.mjs");
const judging = fetching.then(() => import("../../scripts/setup/libtorch/judge.mjs"));
const zipping = judging.then(() => import("../../scripts/setup/libtorch/zip.mjs"));
const wheels = zipping.then(() => import("../../scripts/setup/libtorch/wheel.mjs"));

const folder = temporaryFolder();
const officialName = "/libtorch-shared-with-deps-2.13.0%2Bcpu.zip";
let server: Server;
let base: string;
let requests: string[];
let answer: (response: ServerResponse) => void;
let cache: string;
let runs = 0;

beforeAll(async () => {
  server = createServer((request, response) => {
    requests.push(request.url ?? "");
    answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

beforeEach(() => {
  requests = [];
  cache = join(folder, `cache-${++runs}`);
  setEnvironment("HIRE_SNN_CACHE", cache);
  setEnvironment("HIRE_SNN_LIBTORCH_URL", base);
  setEnvironment("HIRE_SNN_LIBTORCH_SHA256", undefined);
  // What the set-up says is not under test here.
  jest.spyOn(process.stderr, "write").mockReturnValue(true);
});
afterEach(() => jest.restoreAllMocks());

/** The judgement of the real set-up, but for the loader: the libraries of a small zip are empty files. */
async function fetchSmall() {
  const { judge } = await judging;
  const { fetchLibtorch } = await fetching;
  const judgement = (root: string) =>
    judge(root, { dependencies: () => Promise.resolve(new Map<string, string>()) });
  return fetchLibtorch({}, { judgement: judgement });
}

function libtorchZip(version = "2.13.0+cpu", without?: string): Buffer {
  const files = Object.entries(fakeLibtorchFiles(version)).filter(([path]) => path !== without);
  return makeZip(files.map(([path, content]) => ({ name: `libtorch/${path}`, content })));
}

function serve(content: Buffer, sha256Of = content): void {
  setEnvironment("HIRE_SNN_LIBTORCH_SHA256", createHash("sha256").update(sha256Of).digest("hex"));
  answer = (response) => response.setHeader("content-length", content.length).end(content);
}

/** Nothing of a failed fetch may be taken for a libtorch by the next set-up. */
function expectNothingLeft(): void {
  expect(readdirSync(join(cache, "libtorch"))).toEqual([]);
}

test("the zip is fetched once, unpacked under its version, and found the next time", async () => {
  serve(libtorchZip("2.14.0+cpu"));
  const root = join(cache, "libtorch", "2.14.0+cpu");
  expect(await fetchSmall()).toMatchObject({ root, version: "2.14.0+cpu", libFolder: join(root, "lib") });
  expect(await fetchSmall()).toMatchObject({ root });
  expect(requests).toEqual([officialName]);
  expect(readdirSync(join(cache, "libtorch"))).toEqual(["2.14.0+cpu"]);
});

test("two set-ups at once fetch it once", async () => {
  serve(libtorchZip());
  const [one, two] = await Promise.all([fetchSmall(), fetchSmall()]);
  expect(one).toEqual(two);
  expect(requests).toHaveLength(1);
});

test("a mirror may be named by the file itself", async () => {
  serve(libtorchZip());
  setEnvironment("HIRE_SNN_LIBTORCH_URL", `${base}/mine/libtorch.zip`);
  await fetchSmall();
  expect(requests).toEqual(["/mine/libtorch.zip"]);
});

test("what a killed set-up left behind is no hindrance", async () => {
  serve(libtorchZip());
  mkdirSync(join(cache, "libtorch", "fetch.partial", "root", "lib"), { recursive: true });
  expect(await fetchSmall()).toMatchObject({ version: "2.13.0+cpu" });
});

describe("fails with the ways by hand, and leaves nothing:", () => {
  async function failure(): Promise<string> {
    const { SetupError } = await import("../../scripts/setup/report.mjs");
    const error: unknown = await fetchSmall().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SetupError);
    const { message } = error as Error;
    expect(message).toMatch(/python3 -m pip install "torch==2\.13\.0\+cpu"/);
    expect(message).toContain("HIRE_SNN_LIBTORCH=/path/to/libtorch");
    expectNothingLeft();
    return message;
  }

  test("another SHA-256", async () => {
    serve(libtorchZip(), Buffer.from("another file"));
    expect(await failure()).toMatch(/expected SHA-256 [0-9a-f]{64} but found [0-9a-f]{64}/);
  });

  test("a connection that breaks off", async () => {
    const content = libtorchZip();
    serve(content);
    answer = (response) => {
      response.setHeader("content-length", content.length);
      response.write(content.subarray(0, 500), () => response.destroy());
    };
    expect(await failure()).toContain(`${base}${officialName} could not be downloaded (`);
  });

  test("a file that is too short, by a server that does not say its length", async () => {
    const content = libtorchZip();
    serve(content);
    answer = (response) => response.end(content.subarray(0, 500));
    expect(await failure()).toContain("but found");
  });

  test("the official file's size, if no other SHA-256 is given", async () => {
    answer = (response) => response.end("short");
    const { official } = await zipping;
    if (`${process.platform} ${process.arch}` !== official.system) return;
    expect(await failure()).toContain("expected 126385248 bytes but received 5");
  });

  test("404", async () => {
    serve(libtorchZip());
    answer = (response) => response.writeHead(404).end();
    expect(await failure()).toContain(`${base}${officialName} answered 404 Not Found`);
  });

  test("no server", async () => {
    serve(libtorchZip());
    setEnvironment("HIRE_SNN_LIBTORCH_URL", "http://127.0.0.1:9/");
    expect(await failure()).toContain("could not be downloaded");
  });

  test.each([
    [
      "an incomplete libtorch",
      "2.13.0+cpu",
      "include/ATen/ATen.h",
      "incomplete: include/ATen/ATen.h is missing",
    ],
    ["an unsupported version", "2.9.0", undefined, "version 2.9.0 is not supported"],
  ])("%s", async (_, version, without, message) => {
    serve(libtorchZip(version, without));
    expect(await failure()).toContain(`what was fetched cannot be used: ${message}`);
  });

  test("what is no zip", async () => {
    serve(Buffer.from("<html>please log in</html>"));
    expect(await failure()).toContain("is no zip archive");
  });
});

describe("which zip is wanted", () => {
  const sha256 = "a".repeat(64);

  test("the official one, for its system only", async () => {
    const { wantedZip, official } = await zipping;
    expect(wantedZip({}, "linux x64")).toEqual(official);
    expect(official.url).toBe(`https://download.pytorch.org/libtorch/cpu${officialName}`);
    expect(() => wantedZip({}, "darwin arm64")).toThrow(
      "no zip with a known checksum for this system (darwin arm64)",
    );
  });

  test("a mirror's copy has to be the same file, unless its SHA-256 is given", async () => {
    const { wantedZip, official } = await zipping;
    const url = "https://mirror.example/torch/";
    expect(wantedZip({ HIRE_SNN_LIBTORCH_URL: url }, "linux x64")).toEqual({
      ...official,
      url: `https://mirror.example/torch${officialName}`,
    });
    expect(
      wantedZip({ HIRE_SNN_LIBTORCH_URL: url, HIRE_SNN_LIBTORCH_SHA256: sha256 }, "darwin arm64"),
    ).toEqual({
      url: `https://mirror.example/torch${officialName}`,
      sha256,
    });
  });

  test.each([
    [{ HIRE_SNN_LIBTORCH_URL: "mirror" }, 'Expected a URL in HIRE_SNN_LIBTORCH_URL but found "mirror"'],
    [{ HIRE_SNN_LIBTORCH_SHA256: sha256 }, "is set without HIRE_SNN_LIBTORCH_URL"],
    [{ HIRE_SNN_LIBTORCH_SHA256: "abc" }, "Expected 64 hexadecimal digits"],
  ])("%j is refused", async (environment, message) => {
    const { wantedZip } = await zipping;
    expect(() => wantedZip(environment, "linux x64")).toThrow(message);
  });
});

describe("of a wheel", () => {
  test.each([
    ["torch/lib/libc10.so", "lib/libc10.so"],
    ["torch/include/ATen/ATen.h", "include/ATen/ATen.h"],
    ["torch/version.py", "version.py"],
    ["torch-2.13.0+cpu.dist-info/licenses/LICENSE", "wheel/licenses/LICENSE"],
    ["torch/nn/__init__.py", null],
    ["torchgen/lib/model.py", null],
    ["../torch/lib/libc10.so", null],
  ])("%s becomes %s", async (path, expected) => {
    const { libtorchPart } = await wheels;
    expect(libtorchPart(path)).toBe(expected);
  });

  test("a CUDA build is refused: it cannot be loaded without its nvidia packages", async () => {
    const { refuseCuda } = await wheels;
    const cuda = makeFakeLibtorch(join(folder, "cuda"), "2.13.0+cu130");
    expect(() => refuseCuda(cuda)).toThrow(
      /expected a CPU wheel, version 2\.13\.0\S*, but pip brought 2\.13\.0\+cu130/,
    );
    expect(existsSync(cuda)).toBe(true);
  });
});
