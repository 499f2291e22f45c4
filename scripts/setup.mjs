#!/usr/bin/env node
// Brings a clone from `git clone` to ready, and does nothing when it is ready. `npm test`, `npm run demo` and others call
// it first, so nothing but Node's own modules may be imported here and in setup/.
//
//   node scripts/setup.mjs [--search]
//
// --search chooses libtorch anew instead of keeping the earlier choice. See docs/setup.md.
import { join } from "node:path";
import { buildAddon } from "./setup/build-addon.mjs";
import { buildLibrary } from "./setup/build-library.mjs";
import { libtorch } from "./setup/libtorch/find.mjs";
import { withLock } from "./setup/lock.mjs";
import { main } from "./setup/main.mjs";
import { packages } from "./setup/packages.mjs";
import { prerequisites } from "./setup/prerequisites.mjs";
import { buildFolder } from "./setup/project.mjs";
import { elapsedSeconds, say, SetupError } from "./setup/report.mjs";

await main(async (args) => {
  const unknown = args.find((argument) => argument !== "--search");
  if (unknown !== undefined)
    throw new SetupError(`Unknown argument "${unknown}"; expected none or --search.`);
  await withLock(join(buildFolder, "setup.lock"), "setting up this clone", async () => {
    const tools = await prerequisites();
    await packages();
    const chosen = await libtorch(tools, { search: args.includes("--search") });
    await buildAddon(chosen, tools);
    await buildLibrary();
    say(`ready: libtorch ${chosen.version} (${elapsedSeconds()} s)`);
  });
});
