import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describeFetch } from "../../src/cli/data";
import { ScriptedServer } from "../support/scripted-server";
import { describeWithShared } from "../support/shared-folder";
import { temporaryFolder } from "../support/temporary-folder";
import { runCli } from "./run-cli";

const top = temporaryFolder();
const server = new ScriptedServer();
let data: string;

beforeAll(() => server.start());
afterAll(() => server.stop());
beforeEach(() => {
  server.reset();
  data = mkdtempSync(join(top, "data-"));
});

describe("data fetch", () => {
  test("asks the mirror for the published archive, and says where the way is blocked", async () => {
    const { code, stdout, stderr } = await runCli([
      "data",
      "fetch",
      "cifar10",
      "--data",
      data,
      "--mirror",
      server.url,
    ]);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain(`from ${server.url}cifar-10-python.tar.gz but received 404 Not Found`);
    expect(stderr).toContain("(DOWNLOAD_FAILED)");
    expect(server.requests).toEqual(["/cifar-10-python.tar.gz"]);
    expect(readdirSync(data)).toEqual([]);
  });

  test("refuses another file, without the addon", async () => {
    server.files.set("train-images-idx3-ubyte.gz", Buffer.from("<html>please log in</html>"));
    const { code, stderr } = await runCli(
      ["data", "fetch", "mnist", "--data", data, "--mirror", server.url],
      {
        environment: { HIRE_SNN_ADDON: join(top, "none.node") },
      },
    );
    expect(code).toBe(1);
    expect(stderr).toContain("Expected 9912422 bytes");
  });

  test.each([
    ["an unknown set", ["svhn"], "Allowed choices are cifar10, cifar100, mnist"],
    ["a mirror that is no URL", ["mnist", "--mirror", "mirror"], 'but received "mirror"'],
  ])("2 for %s", async (_, args, message) => {
    const { code, stderr } = await runCli(["data", "fetch", ...args, "--data", data]);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });

  test("Ctrl-C stops with 130 and keeps what is there", async () => {
    const content = Buffer.alloc(9_912_422);
    server.files.set("train-images-idx3-ubyte.gz", content);
    let stop: (() => void) | undefined;
    server.script = [
      (response) => {
        response.writeHead(200, { "content-length": content.length }).write(content.subarray(0, 100_000));
        setTimeout(() => stop?.(), 500);
      },
    ];
    const running = runCli(["data", "fetch", "mnist", "--data", data, "--mirror", server.url], {
      onStart: (child) => (stop = () => child.kill("SIGINT")),
    });
    expect(await running).toMatchObject({ code: 130, stdout: "" });
    expect(readdirSync(data)).toEqual(["train-images-idx3-ubyte.gz.partial"]);
  });
});

test.each([
  [
    { step: "downloading", file: "a.gz", done: 85_250_000, total: 170_500_000 },
    "a.gz: 85.3 of 170.5 MB (50 %)",
  ],
  [{ step: "unpacking", file: "a.gz" }, "a.gz: unpacking"],
  [{ step: "waiting" }, "waiting for another process that fetches the same"],
] as const)("progress %j", (progress, text) => {
  expect(describeFetch(progress)).toBe(text);
});

describe("data verify", () => {
  test("3 for what is not there, or not as published", async () => {
    const nothing = await runCli(["data", "verify", "--data", data]);
    expect([nothing.code, nothing.stdout]).toEqual([3, ""]);
    expect(nothing.stderr).toContain("hire-snn data fetch");
    mkdirSync(join(data, "mnist"));
    writeFileSync(join(data, "mnist", "t10k-labels-idx1-ubyte"), "other");
    const different = await runCli(["data", "verify", "--data", data]);
    expect(different.code).toBe(3);
    expect(different.stdout).toMatch(
      /t10k-labels-idx1-ubyte: different, expected sha256:ff7b\w+ but found sha256:/,
    );
    expect(different.stdout).toMatch(/t10k-images-idx3-ubyte: missing/);
    expect(different.stderr).toContain("published files of mnist");
  });

  describeWithShared("the published files", (shared) => {
    test("0, as text and as JSON", async () => {
      const published = join(shared, "data");
      const text = await runCli(["data", "verify", "mnist", "--data", published]);
      expect(text.stdout.match(/: ok$/gm)).toHaveLength(4);
      expect([text.code, text.stderr]).toEqual([0, ""]);
      const json = await runCli(["data", "verify", "--data", published, "--json"]);
      expect(JSON.parse(json.stdout)).toMatchObject({
        schemaVersion: 1,
        verifications: [{ name: "mnist", ok: true }],
      });
    });
  });
});
