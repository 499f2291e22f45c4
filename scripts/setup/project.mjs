// Where things are in the package, be it a checkout or installed in somebody's node_modules. The root is found from this
// file: set-up works from any current folder.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";
import { SetupError } from "./report.mjs";

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** A checkout has the sources of lib/; an installed package has lib/ itself, and neither a lock file nor a compiler for it. */
export const isCheckout = existsSync(join(root, "src"));

/**
 * Where the addon is built: build/ in the package, else a folder in HIRE_SNN_BUILD. The latter has the package's version in its
 * name, so that another version of the package never finds an addon that is not its own. src/native/installation.ts follows the
 * same rule.
 */
export const buildFolder = chooseBuildFolder(process.env.HIRE_SNN_BUILD);

function chooseBuildFolder(named) {
  if (!named) return join(root, "build");
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return join(named, `hire-snn-${version}`);
}

/** Called first by each script, where its error is shown as all others are. */
export function checkBuildFolder() {
  if (isAbsolute(buildFolder)) return;
  throw new SetupError(
    `Expected an absolute folder in HIRE_SNN_BUILD but found "${process.env.HIRE_SNN_BUILD}".`,
  );
}

/** Stamps of finished steps; a step removes its stamp before it begins. */
export const stampFolder = join(buildFolder, "setup");
export const addonFile = join(buildFolder, "Release", "hire_snn.node");
/** What the addon was built against, for the tests and for whoever reports a bug. */
export const libtorchRecord = join(buildFolder, "libtorch.json");
export const libraryFolder = join(root, "lib");
/** A checkout's; in a project that depends on this package, its packages may lie elsewhere: see packageFolder. */
export const nodeModules = join(root, "node_modules");

/**
 * The folder of a package that this one depends on, where Node itself would find it.
 * @throws {SetupError} if it is not installed
 */
export function packageFolder(name) {
  try {
    return dirname(createRequire(join(root, "package.json")).resolve(`${name}/package.json`));
  } catch (error) {
    throw new SetupError(
      `Expected the package ${name} beside ${root} but there is none: install hire-snn again with its dependencies.`,
      { cause: error },
    );
  }
}
