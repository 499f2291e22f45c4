// libtorch out of PyTorch's wheel. pip's own client fetches it: it knows the user's indexes, mirrors and proxies.
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { patience, pythonsWithPip } from "../pypi.mjs";
import { run } from "../processes.mjs";
import { say, SetupError } from "../report.mjs";
import { unzip } from "../unzip.mjs";
import { fetchedVersion, readVersion } from "./versions.mjs";

const cpuIndex = "https://download.pytorch.org/whl/cpu";
/** macOS wheels have no CUDA build to be told from, hence no +cpu. */
const wantedVersion = process.platform === "darwin" ? fetchedVersion.split("+")[0] : fetchedVersion;
/** No Python code of the wheel is run, so a wheel for another Python is as good. */
const anyPython = "3.11";

/** The parts of the wheel that are libtorch; the rest is Python's. Maps a path in the wheel to one below the root. */
export function libtorchPart(path) {
  const part = /^torch\/((?:include|lib|share)\/.+|version\.py)$/.exec(path)?.[1];
  if (part !== undefined) return part;
  const licence = /^torch-[^/]+\.dist-info\/(licenses\/.+|LICENSE|NOTICE|METADATA)$/.exec(path)?.[1];
  return licence === undefined ? null : join("wheel", licence);
}

export async function fetchWheel(folder) {
  const { pythons, rejected } = await pythonsWithPip();
  const failures = [...rejected];
  for (const { python, version } of pythons) {
    for (const tags of version === anyPython ? [[]] : [[], otherPythonTags()]) {
      const wheels = join(folder, "wheels");
      rmSync(wheels, { recursive: true, force: true });
      mkdirSync(wheels);
      try {
        await run(python, ["-m", "pip", ...pipArguments(wheels, tags)], {
          cwd: folder,
          what: `${python} -m pip`,
        });
      } catch (error) {
        if (!(error instanceof SetupError)) throw error;
        failures.push(error.message.replace(/\.$/, ""));
        continue;
      }
      return await unpackWheel(wheels, join(folder, "root"));
    }
  }
  throw new SetupError(failures.join("; "));
}

function pipArguments(destination, tags) {
  const sources = ["--no-deps", "--only-binary=:all:", "--extra-index-url", cpuIndex];
  const quiet = ["--no-input", "--disable-pip-version-check", "--progress-bar", "off"];
  return [
    "download",
    ...quiet,
    ...patience,
    ...sources,
    ...tags,
    "--dest",
    destination,
    `torch==${wantedVersion}`,
  ];
}

function otherPythonTags() {
  const processor = process.arch === "arm64" ? "aarch64" : "x86_64";
  const platform = process.platform === "darwin" ? "macosx_14_0_arm64" : `manylinux_2_28_${processor}`;
  return ["--python-version", anyPython, "--implementation", "cp", "--platform", platform];
}

async function unpackWheel(wheels, root) {
  const names = readdirSync(wheels).filter((name) => name.endsWith(".whl"));
  if (names.length !== 1) {
    throw new SetupError(`expected pip to bring one wheel but found ${names.join(", ") || "none"}`);
  }
  say(`unpacking libtorch from ${names[0]}`);
  await unzip(join(wheels, names[0]), root, libtorchPart);
  refuseCuda(root);
  return root;
}

/** A CUDA wheel's libraries cannot be loaded without its nvidia packages, which pip was told not to bring. */
export function refuseCuda(root) {
  const version = readVersion(root);
  if (version !== wantedVersion || existsSync(join(root, "lib", "libtorch_cuda.so"))) {
    throw new SetupError(`expected a CPU wheel, version ${wantedVersion}, but pip brought ${version}`);
  }
}
