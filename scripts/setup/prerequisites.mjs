// Step 1: what must be on the machine. Each absence is an error that names the package which installs it; CMake and a
// build program (Ninja or make) are taken from their PyPI wheels if absent.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { capture, findPrograms, isProgram } from "./processes.mjs";
import { say, SetupError } from "./report.mjs";
import { fileState, Stamp } from "./stamps.mjs";
import { toolFromPypi } from "./pypi.mjs";

/** By major version, as `engines` in package.json: what cmake-js and its own dependencies run on. */
export const oldestNodes = [
  [20, 17],
  [22, 9],
];
export const oldestCMake = [3, 20];
const cmakeWheel = { package: "cmake", version: "3.31.10", program: "cmake/data/bin/cmake" };
const ninjaWheel = { package: "ninja", version: "1.13.2", program: "bin/ninja" };

/** Needs what C++20 brought (language and library), and links: headers without a library are found out here. */
const cpp20Trial = `
#include <concepts>
#include <span>
#include <vector>
#if __cplusplus < 202002L
#error "not C++20"
#endif
template <std::integral T> T sum(std::span<const T> values) {
  T total{};
  for (const T value : values) total += value;
  return total;
}
int main() {
  const std::vector<int> values{1, -1};
  return sum(std::span<const int>(values));
}
`;

/** How each prerequisite is installed. */
const packages = {
  node: `  any system:     https://nodejs.org/en/download, or nvm: nvm install 22
  Debian, Ubuntu: apt-get install nodejs   (Debian 13, Ubuntu 26.04 or later; else from https://deb.nodesource.com)
  Fedora:         dnf install nodejs
  macOS:          brew install node`,
  compiler: `  Debian, Ubuntu: apt-get install g++      (version 11 or later)
  Fedora:         dnf install gcc-c++
  macOS:          xcode-select --install
Another compiler is named by the environment variable CXX.`,
  cmake: `  Debian, Ubuntu: apt-get install cmake
  Fedora:         dnf install cmake
  macOS:          brew install cmake`,
  make: `  Debian, Ubuntu: apt-get install ninja-build
  Fedora:         dnf install ninja-build
  macOS:          brew install ninja`,
};

export function checkNode(version = process.versions.node) {
  const [major, minor] = version.split(".").map(Number);
  const [newest] = oldestNodes.at(-1);
  const oldestMinor = oldestNodes.find(([line]) => line === major)?.[1];
  if (major > newest || (oldestMinor !== undefined && minor >= oldestMinor)) return;
  const [within, since] = oldestNodes.map((numbers) => numbers.join("."));
  throw new SetupError(
    `Expected Node.js ${within} or later within 20, or ${since} or later, but found ${version}.\n${packages.node}`,
  );
}

/**
 * The tools of the build.
 * @returns {Promise<{compiler: string, compilerVersion: string, cmake: string, generator: string, make: string}>}
 */
export async function prerequisites() {
  checkNode();
  const stamp = new Stamp("prerequisites");
  const known = stamp.read();
  if (known !== null && isStillTrue(known)) return known.tools;
  stamp.clear();
  const tools = { ...(await findCompiler()), cmake: await findCMake(), ...(await findBuildProgram()) };
  say(`compiler ${tools.compilerVersion}, ${tools.cmake}, ${tools.generator}`);
  stamp.write({ asked: asked(), tools, states: statesOf(tools) });
  return tools;
}

/** What the user may have said about the tools, or changed by another PATH. */
function asked() {
  return { CXX: process.env.CXX ?? null, first: findPrograms(compilerNames).slice(0, 1) };
}

function statesOf(tools) {
  return [tools.compiler, tools.cmake, tools.make].map(fileState);
}

function isStillTrue({ asked: before, tools, states }) {
  return (
    JSON.stringify([before, states]) === JSON.stringify([asked(), statesOf(tools)]) && !states.includes(null)
  );
}

const compilerNames = ["c++", "g++", "clang++"];

async function findCompiler() {
  const tried = [];
  for (const compiler of compilerCandidates()) {
    const reason = await whyNotCpp20(compiler);
    if (reason === null) {
      const { stdout } = await capture(compiler, ["--version"]);
      return { compiler, compilerVersion: stdout.split("\n")[0].trim() };
    }
    tried.push(`  ${compiler}: ${reason}`);
  }
  const found = tried.length > 0 ? `these were tried:\n${tried.join("\n")}\n` : "found none.\n";
  throw new SetupError(`Expected a compiler of C++20 but ${found}${packages.compiler}`);
}

function compilerCandidates() {
  const wanted = process.env.CXX;
  if (!wanted) return findPrograms(compilerNames);
  // The user's word is taken alone: falling back to another compiler would hide a mistake in it.
  const programs = isProgram(wanted) ? [wanted] : findPrograms([wanted]);
  if (programs.length === 0) {
    throw new SetupError(
      `Expected CXX to name a compiler but there is no program "${wanted}".\n${packages.compiler}`,
    );
  }
  return programs.slice(0, 1);
}

async function whyNotCpp20(compiler) {
  const folder = mkdtempSync(join(tmpdir(), "hire-snn-setup-"));
  try {
    const result = await capture(compiler, ["-std=c++20", "-x", "c++", "-", "-o", join(folder, "trial")], {
      input: cpp20Trial,
      cwd: folder,
    });
    if (result.error) return `cannot be started (${result.error.code})`;
    if (result.code === 0) return null;
    const line = result.stderr.split("\n").find((text) => text.includes("error")) ?? result.stderr.trim();
    return `does not compile C++20 (${line.trim()})`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function findCMake() {
  const oldest = oldestCMake.join(".");
  const rejected = [];
  for (const cmake of findPrograms(["cmake"])) {
    const version = await cmakeVersion(cmake);
    if (version !== null && isAtLeast(version, oldestCMake)) return cmake;
    rejected.push(`${cmake} ${version === null ? "does not run" : `is ${version.join(".")}`}`);
  }
  const found = rejected.length > 0 ? rejected.join(", ") : "there is none";
  say(`CMake ${oldest} or later is needed (${found}): taking it from PyPI`);
  return toolFromPypi(cmakeWheel).catch((error) => {
    throw new SetupError(
      `Expected CMake ${oldest} or later but ${found}, and it could not be taken from PyPI: ${error.message}\n` +
        packages.cmake,
      { cause: error },
    );
  });
}

/** The version as numbers, or null if the program does not say one. */
export async function cmakeVersion(cmake) {
  const { stdout } = await capture(cmake, ["--version"]);
  const match = /cmake\S* version (\d+)\.(\d+)/.exec(stdout);
  return match && [Number(match[1]), Number(match[2])];
}

function isAtLeast([major, minor], [leastMajor, leastMinor]) {
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}

async function findBuildProgram() {
  for (const [generator, names] of [
    ["Ninja", ["ninja", "ninja-build"]],
    ["Unix Makefiles", ["make", "gmake"]],
  ]) {
    const [make] = findPrograms(names);
    if (make) return { generator, make };
  }
  say("neither Ninja nor make is installed: taking Ninja from PyPI");
  const make = await toolFromPypi(ninjaWheel).catch((error) => {
    throw new SetupError(
      `Expected Ninja or make but found neither, and Ninja could not be taken from PyPI: ${error.message}\n` +
        packages.make,
      { cause: error },
    );
  });
  return { generator: "Ninja", make };
}
