import { homedir, platform } from "node:os";
import { isAbsolute, join } from "node:path";
import { HireSnnError } from "../errors";

/**
 * The user's cache folder, shared by all checkouts and projects: $HIRE_SNN_CACHE, else $XDG_CACHE_HOME/hire-snn, else
 * ~/.cache/hire-snn (macOS: ~/Library/Caches/hire-snn).
 *
 * @throws HireSnnError INVALID_ARGUMENT if HIRE_SNN_CACHE is relative, or nothing names a folder
 */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const own = environment["HIRE_SNN_CACHE"];
  if (own) {
    if (isAbsolute(own)) return own;
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected an absolute folder in HIRE_SNN_CACHE but found "${own}"`,
    );
  }
  // The XDG rule: a relative XDG_CACHE_HOME is to be ignored.
  const xdg = environment["XDG_CACHE_HOME"];
  if (xdg && isAbsolute(xdg)) return join(xdg, "hire-snn");
  const home = environment["HOME"] || homedir();
  if (!isAbsolute(home)) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      "Expected an absolute home folder in HOME but found none; set HIRE_SNN_CACHE to a folder for caches",
    );
  }
  return platform() === "darwin"
    ? join(home, "Library", "Caches", "hire-snn")
    : join(home, ".cache", "hire-snn");
}

/** Where data sets are looked for if no folder is given: $HIRE_SNN_DATA, else `data` in the {@link cacheFolder}. */
export function defaultDataFolder(environment: NodeJS.ProcessEnv = process.env): string {
  return environment["HIRE_SNN_DATA"] || join(cacheFolder(environment), "data");
}
