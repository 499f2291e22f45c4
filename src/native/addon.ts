import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { isMainThread } from "node:worker_threads";
import { HireSnnError, type ErrorCode } from "../errors";
import type { NativeAddon } from "./contract";
import { buildFolder, setUpAdvice } from "./installation";

let loaded: NativeAddon | undefined;
let threads = availableParallelism();

/** Where the set-up puts the addon; HIRE_SNN_ADDON names another build of it. */
function addonPath(): string {
  return process.env["HIRE_SNN_ADDON"] ?? join(buildFolder(), "Release", "hire_snn.node");
}

function load(): NativeAddon {
  const path = addonPath();
  const advice = `${setUpAdvice()}: it builds the addon for the libtorch that it finds or fetches.`;
  if (!existsSync(path)) {
    throw new HireSnnError(
      "ADDON_UNAVAILABLE",
      `Expected the addon at ${path} but there is none.\n${advice}`,
    );
  }
  try {
    return withoutSpinning(() => {
      // eslint-disable-next-line @typescript-eslint/no-require-imports -- a .node file can be loaded in no other way
      return require(path) as NativeAddon;
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new HireSnnError("ADDON_UNAVAILABLE", `The addon ${path} cannot be loaded: ${reason}\n${advice}`, {
      cause: error,
    });
  }
}

/**
 * Loads with OpenMP's threads set to sleep, not spin, while they wait for each other. On an idle machine spinning gains a few
 * percent; beside another busy process it makes everything tens of times slower, because the thread that is waited for does
 * not get a core. The runtime reads the variable once, when it is loaded; what the user has set is left alone. (In a worker,
 * process.env is a copy that the runtime does not see: there the main thread has to have loaded the addon, or set it.)
 */
function withoutSpinning<T>(body: () => T): T {
  const variable = "OMP_WAIT_POLICY";
  if (process.env[variable] !== undefined || process.env["GOMP_SPINCOUNT"] !== undefined) return body();
  process.env[variable] = "passive";
  try {
    return body();
  } finally {
    // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- child processes must not inherit it
    delete process.env[variable];
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
    // process.exit() must not take libtorch down while it computes; a worker's end is noticed by the addon itself.
    if (isMainThread) {
      process.once("exit", () => {
        native.stopAll();
      });
    }
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

/** How many threads the work queued from now on computes with. */
export function getThreads(): number {
  return threads;
}

/** What ran the numbers: part of every result. */
export interface RuntimeIdentity {
  readonly libtorch: string;
  readonly libtorchRoot: string;
  readonly instructionSet: string;
}

/**
 * The libtorch and the instruction set that this process computes with; loads the addon.
 *
 * @throws HireSnnError ADDON_UNAVAILABLE as every use of the addon
 */
export function runtimeIdentity(): RuntimeIdentity {
  const { libtorchVersion, libtorchRoot, instructionSet } = addon();
  return { libtorch: libtorchVersion, libtorchRoot, instructionSet };
}
