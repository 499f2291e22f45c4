import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { buildFolder } from "../native/installation";

/** The libtorch that the addon was built against, as the set-up recorded it. */
export interface LibtorchBuild {
  /** "2.13.0+cpu" */
  readonly version: string;
  readonly root: string;
  readonly libFolder: string;
  readonly openmp: string | null;
  readonly compiler: string;
  /** Whether the folder is still there. */
  readonly exists: boolean;
  /** Of GNU's C++ library: "cxx11", or "pre-cxx11" of old builds; null where there is no such library. */
  readonly abi: "cxx11" | "pre-cxx11" | null;
  /** Whether it is a build with CUDA. */
  readonly cuda: boolean;
}

/** @returns undefined if the addon was never built where the package looks for it */
export function recordedLibtorch(): LibtorchBuild | undefined {
  let record: Record<string, unknown>;
  try {
    record = JSON.parse(readFileSync(join(buildFolder(), "libtorch.json"), "utf8")) as typeof record;
  } catch {
    return undefined;
  }
  const { version, root, libFolder, openmp, compiler } = record;
  if (typeof version !== "string" || typeof root !== "string" || typeof libFolder !== "string")
    return undefined;
  return {
    version,
    root,
    libFolder,
    openmp: typeof openmp === "string" ? openmp : null,
    compiler: typeof compiler === "string" ? compiler : "unknown",
    exists: existsSync(libFolder),
    abi: abiOf(libFolder),
    cuda: ["libtorch_cuda.so", "libtorch_cuda.dylib"].some((name) => existsSync(join(libFolder, name))),
  };
}

/** By the names of libtorch's functions: since the new ABI, those that take a text carry its namespace. */
function abiOf(libFolder: string): LibtorchBuild["abi"] {
  try {
    return readFileSync(join(libFolder, "libc10.so")).includes("__cxx11") ? "cxx11" : "pre-cxx11";
  } catch {
    return null;
  }
}
