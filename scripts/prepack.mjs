#!/usr/bin/env node
// Before `npm pack`: the tarball takes lib/ compiled. The addon is built where the package is installed, for the libtorch there.
import { join } from "node:path";
import { buildLibrary } from "./setup/build-library.mjs";
import { withLock } from "./setup/lock.mjs";
import { main } from "./setup/main.mjs";
import { packages } from "./setup/packages.mjs";
import { buildFolder } from "./setup/project.mjs";

await main(() =>
  withLock(join(buildFolder, "setup.lock"), "packing this package", async () => {
    await packages();
    await buildLibrary();
  }),
);
