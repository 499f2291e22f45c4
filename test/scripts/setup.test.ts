import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { cacheFolder as cacheFolderOfLibrary } from "../../src/datasets/data-folder";
import { temporaryFolder } from "../support/temporary-folder";
import { projectRoot, runNode } from "./run-script";

const folder = temporaryFolder();

describe("a second set-up", () => {
  test("does nothing, says so on stderr, and takes less than three seconds", () => {
    // The first one has run before these tests.
    const { code, stdout, stderr, seconds } = runNode([join(projectRoot, "scripts", "setup.mjs")]);
    expect([code, stdout]).toEqual([0, ""]);
    expect(stderr).toMatch(/^setup: ready: libtorch 2\.\d+\.\d+\S* \(\d\.\d s\)\n$/);
    expect(seconds).toBeLessThan(3);
  });

  test("records the libtorch that the addon was built for", () => {
    const record = JSON.parse(readFileSync(join(projectRoot, "build", "libtorch.json"), "utf8")) as object;
    expect(record).toEqual({
      root: expect.stringMatching(/^\//) as string,
      version: expect.stringMatching(/^2\.1[1-4]\./) as string,
      libFolder: expect.stringMatching(/^\//) as string,
      openmp: expect.anything() as string,
      compiler: expect.stringMatching(/\d/) as string,
    });
  });

  test("refuses an argument that it does not know", () => {
    const { code, stderr } = runNode([join(projectRoot, "scripts", "setup.mjs"), "--serch"]);
    expect([code, stderr]).toEqual([1, 'setup: Unknown argument "--serch"; expected none or --search.\n']);
  });
});

describe("a build folder named by the user", () => {
  const setUp = (named: string) =>
    runNode([join(projectRoot, "scripts", "setup.mjs")], { env: { ...process.env, HIRE_SNN_BUILD: named } });

  test("has to be absolute", () => {
    expect(setUp("relative")).toMatchObject({
      code: 1,
      stderr: 'setup: Expected an absolute folder in HIRE_SNN_BUILD but found "relative".\n',
    });
  });

  test("has to be one that can be written", () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    const { code, stderr } = setUp(file);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^setup: Expected to build the addon in .*file\/hire-snn-\d+\.\d+\.\d+ but cannot write there: ENOTDIR/,
    );
    expect(stderr).toContain("name another folder by HIRE_SNN_BUILD");
  });
});

describe("a libtorch named by the user", () => {
  const choose = `import { libtorch } from ${JSON.stringify(join(projectRoot, "scripts/setup/libtorch/find.mjs"))};
    import { main } from ${JSON.stringify(join(projectRoot, "scripts/setup/main.mjs"))};
    await main(async () => void (await libtorch({}, { search: true })));`;

  test.each([
    ["relative/libtorch", 'HIRE_SNN_LIBTORCH is "relative/libtorch": not an absolute path.'],
    ["/no/such/folder", "HIRE_SNN_LIBTORCH is /no/such/folder: there is no such folder."],
  ])("%s is refused, not replaced by another", (named, message) => {
    // In a copy of the scripts: the choice of this clone must not be forgotten.
    const copy = copyOfScripts();
    const program = choose.replaceAll(join(projectRoot, "scripts"), join(copy, "scripts"));
    const env = { ...process.env, HIRE_SNN_LIBTORCH: named };
    const { code, stderr } = runNode(["--input-type=module", "-e", program], { env });
    expect(code).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr).toContain("Unset it to let the set-up find or fetch one.");
  });
});

describe("lib/", () => {
  const copy = () => {
    const root = copyOfScripts();
    symlinkSync(join(projectRoot, "node_modules"), join(root, "node_modules"));
    cpSync(join(projectRoot, "tsconfig.json"), join(root, "tsconfig.json"));
    const write = (path: string, content: string) => {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), content);
    };
    write("lib/README.md", "not compiled\n");
    write("src/index.ts", 'export { one } from "./numbers/one";\n');
    write("src/numbers/one.ts", "export const one = 1;\n");
    write("src/numbers/two/two.ts", "export const two = 2;\n");
    const program = `import { buildLibrary } from ${JSON.stringify(join(root, "scripts/setup/build-library.mjs"))};
      import { main } from ${JSON.stringify(join(root, "scripts/setup/main.mjs"))};
      await main(buildLibrary);`;
    const build = () => runNode(["--input-type=module", "-e", program]);
    const has = (path: string) => existsSync(join(root, path));
    return { root, write, build, has };
  };

  test("is compiled when a source changed, and only then", () => {
    const { root, write, build, has } = copy();
    expect(build()).toMatchObject({ code: 0, stdout: "", stderr: "setup: compiling src/ to lib/\n" });
    expect(has("lib/numbers/two/two.js")).toBe(true);
    expect(build()).toMatchObject({ code: 0, stderr: "" });
    write("src/numbers/one.ts", "export const one = 11;\n");
    expect(build()).toMatchObject({ code: 0, stderr: "setup: compiling src/ to lib/\n" });
    expect(readFileSync(join(root, "lib/numbers/one.js"), "utf8")).toContain("11");
  });

  test("keeps nothing of a source that is gone, and its README", () => {
    const { root, build, has } = copy();
    build();
    rmSync(join(root, "src/numbers/two"), { recursive: true });
    expect(build().code).toBe(0);
    expect(["lib/numbers/two", "lib/numbers/one.js", "lib/README.md"].map(has)).toEqual([false, true, true]);
  });

  test("is compiled again when a compiled file was deleted", () => {
    const { root, build, has } = copy();
    build();
    rmSync(join(root, "lib/numbers"), { recursive: true });
    expect(build().code).toBe(0);
    expect(["lib/numbers/one.js", "lib/numbers/one.d.ts"].map(has)).toEqual([true, true]);
  });

  test("is not taken as done after a failure", () => {
    const { write, build } = copy();
    write("src/numbers/one.ts", "export const one: string = 1;\n");
    for (const attempt of [build(), build()]) {
      expect(attempt.code).toBe(1);
      expect(attempt.stderr).toContain("src/numbers/one.ts(1,14): error TS2322");
      expect(attempt.stderr).toContain("The compilation of src/ (tsc) failed");
    }
  });
});

describe("prerequisites", () => {
  test("an old Node is refused with the packages that bring a newer one", async () => {
    const { checkNode } = await import("../../scripts/setup/prerequisites.mjs");
    for (const version of ["18.20.4", "20.16.0", "21.7.3", "22.8.0"]) {
      const message = `Expected Node.js 20.17 or later within 20, or 22.9 or later, but found ${version}.\n`;
      expect(() => checkNode(version)).toThrow(message);
      expect(() => checkNode(version)).toThrow("nvm install 22");
    }
    for (const version of ["20.17.0", "22.9.0", "23.0.0", "24.1.0"]) {
      expect(() => checkNode(version)).not.toThrow();
    }
  });

  test("the oldest Node is the one that package.json names to package managers", async () => {
    const { oldestNodes } = await import("../../scripts/setup/prerequisites.mjs");
    const { engines } = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8")) as {
      engines: { node: string };
    };
    const [within, since] = oldestNodes.map((numbers) => numbers.join("."));
    expect(engines.node).toBe(`^${within}.0 || >=${since}.0`);
  });

  test.each([
    ["a compiler that is not there", "no-such-compiler", 'there is no program "no-such-compiler"'],
    ["a compiler that is none", "false", "does not compile C++20"],
  ])("%s is refused with the package that installs one", (_, compiler, message) => {
    const program = `import { prerequisites } from "./scripts/setup/prerequisites.mjs";
      import { main } from "./scripts/setup/main.mjs";
      await main(prerequisites);`;
    const env = { ...process.env, CXX: compiler };
    const { code, stderr } = runNode(["--input-type=module", "-e", program], { cwd: copyOfScripts(), env });
    expect(code).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr).toContain("apt-get install g++");
  });
});

test.each([
  { HIRE_SNN_CACHE: "/c", XDG_CACHE_HOME: "/x", HOME: "/h" },
  { XDG_CACHE_HOME: "/x", HOME: "/h" },
  { XDG_CACHE_HOME: "relative", HOME: "/h" },
  { HOME: "/h" },
  {},
])("the set-up and the library agree on the cache folder of %j", async (environment: NodeJS.ProcessEnv) => {
  const { cacheFolder } = await import("../../scripts/setup/cache-folder.mjs");
  expect(cacheFolder(environment)).toBe(cacheFolderOfLibrary(environment));
});

test("npm's own record tells whether the packages are installed", async () => {
  const { isInstalled } = await import("../../scripts/setup/packages.mjs");
  const root = join(folder, "packages");
  mkdirSync(join(root, "node_modules"), { recursive: true });
  const write = (file: string, packages: object) => {
    writeFileSync(join(root, file), JSON.stringify({ packages }));
  };
  const locked = {
    "": {},
    "node_modules/a": { version: "1.0.0" },
    "node_modules/b": { version: "2.0.0", optional: true },
  };
  write("package-lock.json", locked);
  expect(isInstalled(root)).toBe(false);
  write("node_modules/.package-lock.json", { "node_modules/a": { version: "1.0.0" } });
  expect(isInstalled(root)).toBe(true);
  write("node_modules/.package-lock.json", { "node_modules/a": { version: "1.0.1" } });
  expect(isInstalled(root)).toBe(false);
});

let copies = 0;
function copyOfScripts(): string {
  const root = join(folder, `copy-${++copies}`);
  cpSync(join(projectRoot, "scripts", "setup"), join(root, "scripts", "setup"), { recursive: true });
  return root;
}
