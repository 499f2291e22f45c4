#!/usr/bin/env node
// Brings a clone from `git clone` to ready, and does nothing when it is ready. `npm test`, `npm run demo` and others call
// it first, so nothing but Node's own modules may be imported here and in setup/. In an installed package, `hire-snn setup` does
// the same.
//
//   node scripts/setup.mjs [--search]
//
// --search chooses libtorch anew instead of keeping the earlier choice. See docs/setup.md.
import { main } from "./setup/main.mjs";
import { SetupError } from "./setup/report.mjs";
import { setUp } from "./setup/set-up.mjs";

await main(async (args) => {
  const unknown = args.find((argument) => argument !== "--search");
  if (unknown !== undefined)
    throw new SetupError(`Unknown argument "${unknown}"; expected none or --search.`);
  await setUp({ search: args.includes("--search") });
});
