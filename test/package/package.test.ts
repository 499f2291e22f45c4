import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { demo, runCli } from "../cli/run-cli";
import { projectRoot } from "../scripts/run-script";
import { temporaryFolder } from "../support/temporary-folder";

/**
 * The package as its users get it: packed, installed by npm into an empty project with an empty home folder, set up, used. The tests
 * build on each other, in this order. scripts/test-package.mjs runs them.
 */
const folder = temporaryFolder();
const home = join(folder, "home");
const project = join(folder, "project");
const installed = join(project, "node_modules", "hire-snn");
const minutes = 60_000;

/** The Nodes besides this one, as paths of their programs. */
const nodes = [
  process.execPath,
  ...(JSON.parse(process.env["HIRE_SNN_TEST_NODES"] ?? "[]") as readonly string[]),
].map((node) => ({ node, version: run(node, ["--version"]).stdout.trim() }));

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(command: string, args: readonly string[], cwd = projectRoot, env = process.env): Run {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, env, encoding: "utf8" });
  if (error) throw error;
  return { code: status, stdout, stderr };
}

/** In the project, as a user who has nothing else: neither caches nor what npm and this project's scripts put into the environment. */
function asUser(command: string, ...args: readonly string[]): Run {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|HIRE_SNN_|XDG_|NODE_OPTIONS|NODE_PATH)/.test(name),
  );
  return run(command, args, project, { ...Object.fromEntries(own), HOME: home });
}

function succeed(result: Run): Run {
  if (result.code !== 0) throw new Error(`exit code ${result.code}\n${result.stdout}\n${result.stderr}`);
  return result;
}

/** Names and contents of what the tarball brought. */
async function hashOfTarball(): Promise<string> {
  const { filesUnder, hashOfFiles } = await import("../../scripts/setup/stamps.mjs");
  return hashOfFiles(
    installed,
    filesUnder(installed).filter((file) => !file.startsWith(join(installed, "build"))),
  );
}

let tarball: string;

beforeAll(() => {
  mkdirSync(home);
  mkdirSync(project);
  const { stdout } = succeed(run("npm", ["pack", "--json", "--pack-destination", folder]));
  tarball = join(folder, (JSON.parse(stdout) as [{ filename: string }])[0].filename);
}, minutes);

test("publint and arethetypeswrong have nothing to say of the tarball", () => {
  const bin = join(projectRoot, "node_modules", ".bin");
  expect(run(join(bin, "publint"), [tarball, "--strict"])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("All good!") as string,
  });
  expect(run(join(bin, "attw"), [tarball])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("No problems found") as string,
  });
});

test(
  "it installs into an empty project, without scripts",
  async () => {
    writeFileSync(join(project, "package.json"), '{ "name": "consumer", "private": true }');
    succeed(asUser("npm", "install", "--ignore-scripts", tarball));
    const { filesUnder } = await import("../../scripts/setup/stamps.mjs");
    const tops = new Set(filesUnder(installed).map((file) => file.slice(installed.length + 1).split("/")[0]));
    expect([...tops].sort()).toEqual(
      [
        ["CMakeLists.txt", "LICENSE", "README.md", "binding", "cmake", "docs", "examples", "lib"],
        ["package.json", "scripts"],
      ].flat(),
    );
  },
  3 * minutes,
);

/** The evaluation of the pair in a folder. */
function evaluationOf(pair: string): string[] {
  const [target, source] = [join(pair, "target.pt"), join(pair, "source.pt")];
  return [
    ["evaluate", target, "--source", source, "--dataset", "shapes", "--data", pair],
    ["--seed", "0", "--samples", "64", "--json"],
  ].flat();
}

describe("before the set-up,", () => {
  const advice = "Run `npx hire-snn setup` in your project's folder";

  test("what needs no addon works", () => {
    expect(asUser("npx", "hire-snn", "--version").stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    const file = join(installed, "examples", "demo", "target.pt");
    expect(succeed(asUser("npx", "hire-snn", "inspect", file)).stdout).toContain("features.0.weight");
  });

  test("what needs the addon fails with the advice", () => {
    expect(asUser("npx", "hire-snn", "demo")).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining(advice) as string,
    });
    const program = `require("hire-snn").loadClassifier(require("hire-snn").demo.target)
      .catch(({ code, message }) => console.log(code, message));`;
    const { stdout } = succeed(asUser(process.execPath, "-e", program));
    expect(stdout).toMatch(/^ADDON_UNAVAILABLE Expected the addon at .* but there is none\./);
    expect(stdout).toContain(advice);
    expect(asUser("npx", "hire-snn", "doctor")).toMatchObject({
      code: 1,
      stdout: expect.stringContaining(advice) as string,
    });
  });
});

test(
  "hire-snn setup builds the addon, once, and touches no file of the tarball",
  async () => {
    const before = await hashOfTarball();
    const first = succeed(asUser("npx", "hire-snn", "setup"));
    expect(first.stderr).toMatch(/setup: ready: libtorch 2\.\d+\.\d+/);
    expect(first.stderr).not.toMatch(/npm ci|compiling src/);
    expect(existsSync(join(installed, "build", "Release", "hire_snn.node"))).toBe(true);
    const second = succeed(asUser("npx", "hire-snn", "setup"));
    expect(second.stderr).toMatch(/^setup: ready: libtorch \S+ \(\d\.\d s\)\n$/);
    expect(await hashOfTarball()).toBe(before);
    expect(succeed(asUser("npx", "hire-snn", "doctor")).stdout).toContain("No problem found.");
  },
  15 * minutes,
);

describe("after it,", () => {
  let figures: unknown;

  beforeAll(async () => {
    cpSync(join(__dirname, "consumers"), project, { recursive: true });
    const ofCheckout = await runCli(evaluationOf(demo));
    figures = (JSON.parse(ofCheckout.stdout) as { results: unknown }).results;
    expect(figures).toHaveLength(5);
  });

  test("the command prints the figures of the checkout's", () => {
    const { stdout } = succeed(
      asUser("npx", "hire-snn", ...evaluationOf(join(installed, "examples", "demo"))),
    );
    expect((JSON.parse(stdout) as { results: unknown }).results).toEqual(figures);
  });

  test("the examples run where they were installed", () => {
    for (const name of ["attack-images", "evaluate-pair", "own-classifier"]) {
      expect(succeed(asUser(process.execPath, join(installed, "examples", `${name}.mjs`))).stdout).not.toBe(
        "",
      );
    }
  });

  test("an ESM import has every name that require has", () => {
    const program = `import { createRequire } from "node:module";
      import * as names from "hire-snn";
      const required = createRequire(import.meta.url)("hire-snn");
      const lacking = Object.keys(required).filter((name) => names[name] !== required[name]);
      console.log(JSON.stringify([Object.keys(required).length > 20, lacking]));`;
    writeFileSync(join(project, "names.mjs"), program);
    expect(succeed(asUser(process.execPath, "names.mjs")).stdout).toBe("[true,[]]\n");
  });

  test("nothing behind the entry can be imported", () => {
    const program = `try { require("hire-snn/lib/native/addon.js"); } catch ({ code }) { console.log(code); }
      console.log(require("hire-snn/package.json").name);`;
    expect(succeed(asUser(process.execPath, "-e", program)).stdout).toBe(
      "ERR_PACKAGE_PATH_NOT_EXPORTED\nhire-snn\n",
    );
  });

  test(
    "strict TypeScript compiles, with the libraries' types checked too",
    () => {
      const own = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8")) as {
        devDependencies: Record<string, string>;
      };
      const packages = ["typescript", "@types/node"].map((name) => `${name}@${own.devDependencies[name]}`);
      succeed(asUser("npm", "install", "--ignore-scripts", ...packages));
      // An addon that npm has kept is one that no set-up has to build again.
      expect(existsSync(join(installed, "build", "Release", "hire_snn.node"))).toBe(true);
      succeed(asUser("npx", "tsc", "-p", "strict"));
    },
    3 * minutes,
  );

  describe.each(nodes)("under Node $version,", ({ node }) => {
    test.each([
      "figures.cjs",
      "figures.mjs",
      "figures-worker.mjs",
      "strict/compiled/esm.mjs",
      "strict/compiled/commonjs.cjs",
    ])("%s prints the figures of the checkout's", (script) => {
      const { stdout } = succeed(asUser(node, script));
      expect(JSON.parse(stdout)).toEqual(figures);
    });
  });
});
