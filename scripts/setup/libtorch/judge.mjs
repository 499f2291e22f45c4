// Whether a folder holds a libtorch that the addon can be built against and run with.
import { existsSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { capture } from "../processes.mjs";
import { isSupported, readVersion, supported } from "./versions.mjs";

const headers = ["torch/csrc/api/include/torch/torch.h", "ATen/ATen.h", "c10/core/Device.h"];
const libraries = ["c10", "torch_cpu", "torch"];
const suffix = process.platform === "darwin" ? ".dylib" : ".so";

/**
 * @typedef {object} Libtorch
 * @property {string} root the folder with include/
 * @property {string} version such as 2.13.0+cpu
 * @property {string} libFolder
 * @property {string | null} openmp the OpenMP runtime that libtorch_cpu loads
 */

/** Whether a folder of the system has anything of libtorch; if not, there is no point in naming it. */
export function hasTraces(root) {
  return existsSync(join(root, "include", headers[0])) || libFolderOf(root) !== null;
}

/**
 * @param {string} root
 * @param {{dependencies?: typeof loadedLibraries}} [tools] replaced in tests, whose libraries are empty files
 * @returns {Promise<{libtorch: Libtorch} | {reason: string}>} the reason completes "FOLDER: ..."
 */
export async function judge(root, { dependencies = loadedLibraries } = {}) {
  if (!isFolder(root)) return { reason: "there is no such folder" };
  const version = readVersion(root);
  if (version !== null && !isSupported(version)) {
    return { reason: `version ${version} is not supported, expected ${supported}` };
  }
  const missing = headers.filter((header) => !existsSync(join(root, "include", header)));
  if (missing.length > 0) return { reason: `incomplete: include/${missing[0]} is missing${nearMiss(root)}` };
  const libFolder = libFolderOf(root);
  if (libFolder === null) return { reason: `incomplete: ${join("lib", fileName("torch_cpu"))} is missing` };
  const lacking = libraries.map(fileName).find((name) => !existsSync(join(libFolder, name)));
  if (lacking !== undefined) return { reason: `incomplete: ${lacking} is missing in ${libFolder}` };
  if (version === null)
    return { reason: "no file says which version it is (version.py, build-version, version.h)" };

  const loaded = await dependencies(libraries.map((name) => join(libFolder, fileName(name))));
  const reason = reasonFrom(loaded, libFolder);
  if (reason !== null) return { reason };
  return { libtorch: { root, version, libFolder, openmp: openmpOf(loaded) } };
}

function fileName(library) {
  return `lib${library}${suffix}`;
}

function isFolder(path) {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** lib, or where distributions put libraries of one processor. */
function libFolderOf(root) {
  const triple = `${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;
  const folders = ["lib", "lib64", join("lib", triple)].map((name) => join(root, name));
  return folders.find((folder) => existsSync(join(folder, fileName("torch_cpu")))) ?? null;
}

/** The folders that are most easily taken for the right one. */
function nearMiss(root) {
  const guess = [
    join(root, "torch"),
    join(root, "libtorch"),
    dirname(root),
    dirname(dirname(dirname(root))),
  ].find((folder) => existsSync(join(folder, "include", headers[0])));
  return guess === undefined ? "" : ` (is ${guess} meant?)`;
}

/**
 * What the loader would load for these libraries: name to path, or null where it finds none; null as a whole where that
 * cannot be asked (no ldd).
 * @returns {Promise<Map<string, string | null> | null>}
 */
export async function loadedLibraries(files) {
  if (process.platform !== "linux") return null;
  const { stdout, error, code } = await capture("ldd", files, { env: { ...process.env, LC_ALL: "C" } });
  if (error || code !== 0) return null;
  const loaded = new Map();
  for (const [, name, path] of stdout.matchAll(/^\s+(\S+) => (\S.*?)(?: \(0x[0-9a-f]+\))?$/gm)) {
    loaded.set(basename(name), path === "not found" ? null : path);
  }
  return loaded;
}

function reasonFrom(loaded, libFolder) {
  if (loaded === null) return null;
  const unresolved = [...loaded].filter(([, path]) => path === null).map(([name]) => name);
  if (unresolved.length > 0) {
    const cuda = unresolved.some((name) => /^lib(cu|nv|nccl)/.test(name));
    const hint = cuda ? " (a CUDA build, without the nvidia packages that it needs)" : "";
    return `its libraries need ${unresolved.join(", ")}, which the system does not find${hint}`;
  }
  const c10 = loaded.get(fileName("c10"));
  if (c10 && realpathSync(dirname(c10)) !== realpathSync(libFolder)) {
    return `its libtorch_cpu would load another libtorch's ${c10}; remove that folder from LD_LIBRARY_PATH`;
  }
  return null;
}

function openmpOf(loaded) {
  const found = [...(loaded ?? [])].find(([name]) => /^lib(gomp|omp|iomp5)[-.]/.test(name));
  return found?.[1] ?? null;
}
