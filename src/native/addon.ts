import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { HireSnnError, type ErrorCode } from "../errors";
import type { NativeAddon } from "./contract";

let loaded: NativeAddon | undefined;
let threads = availableParallelism();

/** Where `npm run setup` puts the addon; HIRE_SNN_ADDON names another build of it. */
function addonPath(): string {
  return process.env["HIRE_SNN_ADDON"] ?? join(__dirname, "..", "..", "build", "Release", "hire_snn.node");
}

function load(): NativeAddon {
  const path = addonPath();
  const advice =
    "Run `npm run setup` in the package's folder: it builds the addon for the libtorch that it finds or fetches.";
  if (!existsSync(path)) {
    throw new HireSnnError("ADDON_UNAVAILABLE", `Expected the addon at ${path} but there is none.\n${advice}`);
  }
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- a .node file can be loaded in no other way
    return require(path) as NativeAddon;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new HireSnnError("ADDON_UNAVAILABLE", `The addon ${path} cannot be loaded: ${reason}\n${advice}`, {
      cause: error,
    });
  }
}

/**
 * The addon, loaded with libtorch at the first call.
 *
 * @throws HireSnnError ADDON_UNAVAILABLE if it is not built, cannot be loaded, or another libtorch is in the process
 */
export function addon(): NativeAddon {
  if (loaded === undefined) {
    const native = load();
    native.initialise((code, message) => new HireSnnError(code as ErrorCode, message));
    native.setThreads(threads);
    loaded = native;
  }
  return loaded;
}

/**
 * Sets how many threads the work queued from now on computes with. The default is the number of cores.
 *
 * @param count 1 or more
 */
export function setThreads(count: number): void {
  if (!Number.isInteger(count) || count < 1 || count > 1024) {
    throw new HireSnnError("INVALID_ARGUMENT", `Expected 1 to 1024 for threads but received ${count}`);
  }
  threads = count;
  loaded?.setThreads(count);
}

export function getThreads(): number {
  return threads;
}

/** What ran the numbers: part of every result. */
export interface RuntimeIdentity {
  readonly libtorch: string;
  readonly libtorchRoot: string;
  readonly instructionSet: string;
}

export function runtimeIdentity(): RuntimeIdentity {
  const { libtorchVersion, libtorchRoot, instructionSet } = addon();
  return { libtorch: libtorchVersion, libtorchRoot, instructionSet };
}
