import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Diagnosis } from "../../src/doctor/diagnose";
import { packageVersion } from "../../src/version";
import { temporaryFolder } from "../support/temporary-folder";
import { root, runCli } from "./run-cli";

const folder = temporaryFolder();

async function doctor(
  environment: Record<string, string> = {},
): Promise<{ code: number | null; diagnosis: Diagnosis }> {
  const { code, stdout } = await runCli(["doctor", "--json"], { environment });
  return { code, diagnosis: JSON.parse(stdout) as Diagnosis };
}

test("a good installation: versions, what is loaded, what it was built for, the machine", async () => {
  const { code, diagnosis } = await doctor({ HIRE_SNN_CACHE: folder, OMP_NUM_THREADS: "1" });
  const record = JSON.parse(readFileSync(join(root, "build", "libtorch.json"), "utf8")) as {
    version: string;
    root: string;
  };
  expect(diagnosis).toMatchObject({
    ...{ schemaVersion: 1, problems: [] },
    versions: {
      "hire-snn": packageVersion(),
      node: process.versions.node,
      sharp: expect.stringMatching(/^\d+\.\d+\.\d+ \(libvips /),
    },
    addon: { state: "works", runtime: { libtorch: record.version.split("+")[0], libtorchRoot: record.root } },
    libtorch: { version: record.version, exists: true, abi: process.platform === "linux" ? "cxx11" : null },
    machine: { usableCores: availableParallelism() },
    threads: { default: availableParallelism(), environment: { OMP_NUM_THREADS: "1" } },
    cache: { path: folder, exists: true, writable: true },
    data: { path: join(folder, "data"), exists: false, datasets: [] },
  });
  expect(code).toBe(0);
  const { addon } = diagnosis;
  const loaded = addon.state === "works" ? addon.loaded : [];
  for (const name of ["hire_snn.node", "libtorch_cpu", "libc10"]) {
    expect(loaded.filter((file) => file.includes(name))).toHaveLength(1);
  }
});

test("as text, without colours where there is no terminal", async () => {
  const { code, stdout, stderr } = await runCli(["doctor"]);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^hire-snn +\d+\.\d+\.\d+\S*\nNode\.js +\d+/);
  expect(stdout).toMatch(/^libtorch +2\.\d+\.\d+ in \//m);
  expect(stdout).toMatch(/No problem found\.\n$/);
  expect(stdout).not.toContain("\x1b");
});

describe("what is wrong, with the way out and exit code 1:", () => {
  test("no addon", async () => {
    const { code, diagnosis } = await doctor({ HIRE_SNN_ADDON: join(folder, "none.node") });
    expect(code).toBe(1);
    expect(diagnosis).toMatchObject({ addon: { state: "fails" }, libtorch: { exists: true } });
    expect(diagnosis.problems).toEqual([
      {
        what: expect.stringContaining(`Expected the addon at ${join(folder, "none.node")}`) as string,
        wayOut: expect.stringContaining("npm run setup") as string,
      },
    ]);
    const { stdout } = await runCli(["doctor"], {
      environment: { HIRE_SNN_ADDON: join(folder, "none.node") },
    });
    expect(stdout).toMatch(/^Addon +does not load$/m);
    expect(stdout).toMatch(/^Problem: Expected the addon at .*\n {2}Run `npm run setup`/m);
  });

  test("an addon that is broken", async () => {
    const broken = join(folder, "broken.node");
    writeFileSync(broken, "no library");
    const { code, diagnosis } = await doctor({ HIRE_SNN_ADDON: broken });
    expect(code).toBe(1);
    expect(diagnosis.problems[0]?.what).toMatch(
      /broken\.node cannot be loaded: .*(invalid ELF header|file too short|not valid)/,
    );
  });

  test("an addon that takes its process with it", async () => {
    // What a broken library does when it is loaded, done by the child's own start.
    const crash = join(folder, "crash.cjs");
    writeFileSync(crash, 'if (process.argv[1]?.endsWith("addon.js")) process.kill(process.pid, "SIGSEGV");');
    const { code, diagnosis } = await doctor({ NODE_OPTIONS: `--require ${crash}` });
    expect(code).toBe(1);
    expect(diagnosis.problems[0]?.what).toContain("its process was ended by SIGSEGV");
  });

  test("folders that are named wrongly", async () => {
    const { code, diagnosis } = await doctor({
      HIRE_SNN_CACHE: "relative",
      HIRE_SNN_DATA: join(folder, "none"),
    });
    expect(code).toBe(1);
    expect(diagnosis.cache).toBeNull();
    expect(diagnosis.problems.map(({ what }) => what)).toEqual([
      expect.stringContaining("HIRE_SNN_CACHE"),
      expect.stringContaining("there is no such folder"),
    ]);
  });

  test("a cache folder that is a file", async () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    const { code, diagnosis } = await doctor({ HIRE_SNN_CACHE: file });
    expect(code).toBe(1);
    expect(diagnosis.problems[0]?.what).toBe(`The cache folder ${file} cannot be written.`);
  });

  test("a package that was never set up, and one whose libtorch is gone", async () => {
    const copy = join(folder, "package");
    mkdirSync(join(copy, "build"), { recursive: true });
    cpSync(join(root, "lib"), join(copy, "lib"), { recursive: true });
    cpSync(join(root, "package.json"), join(copy, "package.json"));
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
    const main = join(copy, "lib", "cli", "main.js");
    const fresh = await runCli(["doctor", "--json"], { main });
    expect(fresh.code).toBe(1);
    expect(JSON.parse(fresh.stdout)).toMatchObject({
      libtorch: null,
      // A copy without sources is an installed package.
      problems: [{ wayOut: expect.stringContaining("Run `npx hire-snn setup`") as string }],
    });
    const gone = { version: "2.12.0", root: "/gone", libFolder: "/gone/lib", openmp: null, compiler: "c++" };
    writeFileSync(join(copy, "build", "libtorch.json"), JSON.stringify(gone));
    const moved = await runCli(["doctor"], { main });
    expect(moved.stdout).toContain(
      "Problem: The addon was built for libtorch 2.12.0 in /gone, and that folder is gone.",
    );
  });
});

test("data sets are named by their folders", async () => {
  for (const name of ["cifar-10-batches-bin", "MNIST/raw"])
    mkdirSync(join(folder, "sets", name), { recursive: true });
  const { diagnosis } = await doctor({ HIRE_SNN_DATA: join(folder, "sets") });
  expect(diagnosis.data?.datasets).toEqual(["cifar10", "mnist"]);
});
