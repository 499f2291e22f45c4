// The set-up: a checkout from `git clone` to ready, an installed package from `npm install` to ready.
import { accessSync, constants, existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { buildAddon } from "./build-addon.mjs";
import { buildLibrary } from "./build-library.mjs";
import { libtorch } from "./libtorch/find.mjs";
import { withLock } from "./lock.mjs";
import { packages } from "./packages.mjs";
import { prerequisites } from "./prerequisites.mjs";
import { buildFolder, isCheckout } from "./project.mjs";
import { elapsedSeconds, say, SetupError } from "./report.mjs";

/**
 * Does what is not done yet. An installed package has its dependencies from the package manager that installed it, and lib/ from
 * the tarball: only the addon has to be built.
 * @param {{search?: boolean}} [options] search: choose libtorch anew instead of keeping the earlier choice
 */
export async function setUp({ search = false } = {}) {
  makeBuildFolder();
  await withLock(join(buildFolder, "setup.lock"), "setting up this package", async () => {
    const tools = await prerequisites();
    if (isCheckout) await packages();
    const chosen = await libtorch(tools, { search });
    await buildAddon(chosen, tools);
    if (isCheckout) await buildLibrary();
    say(`ready: libtorch ${chosen.version} (${elapsedSeconds()} s)`);
  });
}

/** Packages are installed by one user and used by another, or lie on a file system that is read only. */
function makeBuildFolder() {
  try {
    // Asked first: on a read-only file system mkdir says that the folder does not exist.
    let nearest = buildFolder;
    while (!existsSync(nearest)) nearest = dirname(nearest);
    accessSync(nearest, constants.W_OK);
    mkdirSync(buildFolder, { recursive: true });
  } catch (error) {
    throw new SetupError(
      `Expected to build the addon in ${buildFolder} but cannot write there: ${error.message}.\n` +
        "Run the set-up as a user who can, or name another folder by HIRE_SNN_BUILD, for the set-up and wherever hire-snn runs.",
      { cause: error },
    );
  }
}
