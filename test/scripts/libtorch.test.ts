import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setEnvironment } from "../support/environment";
import { temporaryFolder } from "../support/temporary-folder";
import { makeFakeLibtorch } from "./fake-libtorch";

// The set-up's modules are ESM, which a CommonJS test reaches by import() only. One after the other: Jest cannot link
// two graphs at once that share a module.
const judging = import("../../scripts/setup/libtorch/judge.mjs");
const versionReading = judging.then(() => import("../../scripts/setup/libtorch/versions.mjs"));
const candidateFinding = versionReading.then(() => import("../../scripts/setup/libtorch/candidates.mjs"));

const folder = temporaryFolder();
/** What the loader says of libraries that are no libraries. */
function loads(names: Record<string, string | null>) {
  return { dependencies: () => Promise.resolve(new Map(Object.entries(names))) };
}

let count = 0;
function fake(version?: string | null, files?: Record<string, string | null>): string {
  return makeFakeLibtorch(join(folder, `libtorch-${++count}`), version, files);
}

test.each([
  ["2.11.0", true],
  ["2.14.1+cu130", true],
  ["2.13.0+cpu", true],
  ["2.10.2", false],
  ["2.15.0", false],
  ["1.13.1", false],
  ["3.12.0", false],
  ["2.1", false],
])("version %s is supported: %s", async (version, expected) => {
  expect((await versionReading).isSupported(version)).toBe(expected);
});

const header =
  "#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 12\n#define TORCH_VERSION_PATCH 1\n";

test.each([
  [{ "version.py": "from typing import Optional\n__version__ = '2.13.0+cu130'\n" }, "2.13.0+cu130"],
  [{ "version.py": '__version__: str = "2.12.0"\n' }, "2.12.0"],
  [{ "build-version": "2.14.0+cpu\n" }, "2.14.0+cpu"],
  [{ "include/torch/headeronly/version.h": header }, "2.12.1"],
  [{ "include/torch/csrc/api/include/torch/version.h": header }, "2.12.1"],
  [{ "include/torch/headeronly/version.h": "#define TORCH_VERSION_MAJOR 2\n" }, null],
  [{}, null],
])("the version is read from %j", async (files, expected) => {
  expect((await versionReading).readVersion(fake(null, files))).toBe(expected);
});

test("a complete libtorch is taken, with its own OpenMP runtime", async () => {
  const root = fake("2.12.0+cpu");
  const openmp = join(root, "lib", "libgomp.so.1");
  expect(await (await judging).judge(root, loads({ "libgomp.so.1": openmp }))).toEqual({
    libtorch: { root, version: "2.12.0+cpu", libFolder: join(root, "lib"), openmp },
  });
});

test("libraries may lie where a distribution puts those of one processor", async () => {
  const triple = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
  const root = fake();
  mkdirSync(join(root, "lib", triple));
  const moved = makeFakeLibtorch(join(folder, "distribution"), "2.13.0", {
    "lib/libc10.so": null,
    "lib/libtorch_cpu.so": null,
    "lib/libtorch.so": null,
    [`lib/${triple}/libc10.so`]: "",
    [`lib/${triple}/libtorch_cpu.so`]: "",
    [`lib/${triple}/libtorch.so`]: "",
  });
  expect(await (await judging).judge(moved, loads({}))).toMatchObject({
    libtorch: { libFolder: join(moved, "lib", triple) },
  });
});

describe("is refused with the reason:", () => {
  test.each([
    ["an old version", "2.10.0", {}, {}, "version 2.10.0 is not supported, expected 2.11 to 2.14"],
    ["a new version", "2.15.0", {}, {}, "version 2.15.0 is not supported, expected 2.11 to 2.14"],
    ["no version", null, {}, {}, "no file says which version it is"],
    [
      "no headers",
      "2.13.0",
      { "include/ATen/ATen.h": null },
      {},
      "incomplete: include/ATen/ATen.h is missing",
    ],
    ["no libc10", "2.13.0", { "lib/libc10.so": null }, {}, "incomplete: libc10.so is missing in "],
    ["no libraries", "2.13.0", { "lib/libtorch_cpu.so": null }, {}, "libtorch_cpu.so is missing"],
    [
      "a CUDA build alone",
      "2.13.0+cu130",
      {},
      { "libcudart.so.13": null, "libcublas.so.13": null },
      "need libcudart.so.13, libcublas.so.13, which the system does not find (a CUDA build, without the nvidia packages",
    ],
    [
      "a missing library",
      "2.13.0",
      {},
      { "libmkl.so": null },
      "need libmkl.so, which the system does not find",
    ],
    ["another libtorch's libc10", "2.13.0", {}, { "libc10.so": "/usr/lib/libc10.so" }, "another libtorch's"],
  ] as const)("%s", async (_, version, files, names, reason) => {
    const verdict = await (await judging).judge(fake(version, files), loads(names));
    expect(verdict).toEqual({ reason: expect.stringContaining(reason) as string });
  });

  test("a folder that is not there", async () => {
    expect(await (await judging).judge(join(folder, "nothing"))).toEqual({
      reason: "there is no such folder",
    });
  });

  test("the folder above the right one, which is named", async () => {
    const above = join(folder, "site-packages");
    makeFakeLibtorch(join(above, "torch"));
    const { reason } = (await (await judging).judge(above)) as { reason: string };
    expect(reason).toContain(`is ${join(above, "torch")} meant?`);
  });
});

test("the real loader is asked which libraries are missing", async () => {
  const { loadedLibraries } = await judging;
  const compile = (name: string, ...more: string[]) => {
    const args = ["-shared", "-fPIC", "-x", "c++", "/dev/null", "-o", join(folder, name), ...more];
    execFileSync(process.env["CXX"] ?? "c++", args);
  };
  compile("libneeded.so", "-Wl,-soname,libneeded.so");
  compile("libneeding.so", "-Wl,--no-as-needed", "-x", "none", join(folder, "libneeded.so"));
  rmSync(join(folder, "libneeded.so"));
  const loaded = await loadedLibraries([join(folder, "libneeding.so"), join(folder, "libneeding.so")]);
  expect(loaded?.get("libneeded.so")).toBeNull();
  expect(loaded?.get("libc.so.6")).toMatch(/^\/.*libc\.so\.6$/);
});

describe("candidates", () => {
  test("a system folder is named only if it has something of libtorch", async () => {
    const [{ hasTraces }, candidates] = [await judging, await candidateFinding];
    const full = fake();
    const empty = join(folder, "empty");
    mkdirSync(empty);
    expect([hasTraces(full), hasTraces(empty)]).toEqual([true, false]);
    const found = [...candidates.systemCandidates({ CMAKE_PREFIX_PATH: `${empty}:${full}` })];
    expect(found[0]).toEqual({ root: full, from: "CMAKE_PREFIX_PATH" });
    expect(found.map(({ root }) => root)).not.toContain(empty);
  });

  test("Torch_DIR names the folder of TorchConfig.cmake", async () => {
    const candidates = await candidateFinding;
    const root = fake();
    const found = [...candidates.systemCandidates({ Torch_DIR: join(root, "share", "cmake", "Torch") })];
    expect(found[0]).toEqual({ root, from: "Torch_DIR" });
  });

  test("of the cache, the pinned version comes first, then newer before older; unfinished ones never", async () => {
    const candidates = await candidateFinding;
    const cache = join(folder, "cache");
    for (const name of ["2.11.0+cpu", "2.9.0", "2.13.0+cpu", "2.14.0", "fetch.partial"]) {
      mkdirSync(join(cache, "libtorch", name), { recursive: true });
    }
    setEnvironment("HIRE_SNN_CACHE", cache);
    const names = [...candidates.cacheCandidates()].map(({ root }) => root.split("/").at(-1));
    expect(names).toEqual(["2.13.0+cpu", "2.14.0", "2.11.0+cpu"]);
  });

  test("a Python's torch is found without being imported", async () => {
    const candidates = await candidateFinding;
    const packages = join(folder, "packages");
    // Importing it would fail.
    makeFakeLibtorch(join(packages, "torch"), null, { "__init__.py": "raise SystemExit(1)\n" });
    setEnvironment("PYTHONPATH", packages);
    const found = [];
    for await (const candidate of candidates.pythonCandidates()) found.push(candidate.root);
    expect(found).toContain(join(packages, "torch"));
  });
});
