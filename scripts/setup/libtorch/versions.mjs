// Which versions of libtorch are supported, and how the version of a folder is read without loading anything.
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** What is fetched when the machine has none. */
export const fetchedVersion = "2.13.0+cpu";
export const oldest = [2, 11];
export const newest = [2, 14];
export const supported = `${oldest.join(".")} to ${newest.join(".")}`;

export function isSupported(version) {
  const match = /^(\d+)\.(\d+)\./.exec(version);
  if (match === null) return false;
  const [major, minor] = [Number(match[1]), Number(match[2])];
  return major === 2 && minor >= oldest[1] && minor <= newest[1];
}

/**
 * The version of the libtorch in a folder, with its build (`+cpu`, `+cu130`) where that is recorded; null if none of the
 * places names one. In the order of how much they say: a Python package, the official zip, any libtorch's headers.
 */
export function readVersion(folder) {
  return (
    find(join(folder, "version.py"), /^__version__\s*(?::[^=]*)?=\s*['"]([^'"]+)['"]/m) ??
    find(join(folder, "build-version"), /^\s*(\d\S*)/) ??
    fromHeader(join(folder, "include/torch/headeronly/version.h")) ??
    fromHeader(join(folder, "include/torch/csrc/api/include/torch/version.h"))
  );
}

function fromHeader(file) {
  const parts = ["MAJOR", "MINOR", "PATCH"].map((part) =>
    find(file, new RegExp(`^\\s*#define\\s+TORCH_VERSION_${part}\\s+(\\d+)`, "m")),
  );
  return parts.includes(null) ? null : parts.join(".");
}

function find(file, pattern) {
  try {
    return pattern.exec(readFileSync(file, "utf8"))?.[1] ?? null;
  } catch {
    return null;
  }
}
