import { existsSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { HireSnnError } from "../errors";
import { packageVersion } from "../version";

const packageRoot = join(__dirname, "..", "..");

/**
 * Where the set-up builds the addon: `build/` in the package, else a folder of this version's own in $HIRE_SNN_BUILD.
 * scripts/setup/project.mjs follows the same rule.
 *
 * @throws HireSnnError INVALID_ARGUMENT if HIRE_SNN_BUILD is relative
 */
export function buildFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const named = environment["HIRE_SNN_BUILD"];
  if (!named) return join(packageRoot, "build");
  if (isAbsolute(named)) return join(named, `hire-snn-${packageVersion()}`);
  throw new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected an absolute folder in HIRE_SNN_BUILD but found "${named}"`,
  );
}

/**
 * What builds the addon, as a sentence. A checkout has sources and npm scripts; in an installed package the command does it, from the
 * project's folder.
 */
export function setUpAdvice(): string {
  return existsSync(join(packageRoot, "src"))
    ? "Run `npm run setup` in the package's folder"
    : "Run `npx hire-snn setup` in your project's folder";
}
