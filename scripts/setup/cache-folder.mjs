// The user's cache folder, shared by all clones: libtorch, tools from PyPI, unpacked data sets.
//
// Only the rule is here, so that scripts and tests share it. The package itself follows the same rule in TypeScript
// (it cannot import this file: scripts/ is no part of the compiled library).
import { homedir, platform } from "node:os";
import { isAbsolute, join } from "node:path";
import { SetupError } from "./report.mjs";

/** $HIRE_SNN_CACHE, else $XDG_CACHE_HOME/hire-snn, else ~/.cache/hire-snn (macOS: ~/Library/Caches/hire-snn). */
export function cacheFolder(environment = process.env) {
  const own = environment.HIRE_SNN_CACHE;
  if (own) {
    if (!isAbsolute(own)) {
      throw new SetupError(`Expected an absolute folder in HIRE_SNN_CACHE but found "${own}".`);
    }
    return own;
  }
  // The XDG rule: a relative XDG_CACHE_HOME is to be ignored.
  const xdg = environment.XDG_CACHE_HOME;
  if (xdg && isAbsolute(xdg)) return join(xdg, "hire-snn");
  const home = environment.HOME || homedir();
  if (!isAbsolute(home)) {
    throw new SetupError(
      "No cache folder: HOME is not set. Set HIRE_SNN_CACHE to a folder that can be written.",
    );
  }
  return platform() === "darwin"
    ? join(home, "Library", "Caches", "hire-snn")
    : join(home, ".cache", "hire-snn");
}
