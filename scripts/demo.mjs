#!/usr/bin/env node
// The demo: `npm run demo` sets up what is missing, then runs `hire-snn demo`, which trains small networks on drawn images, attacks them
// white box and black box, and prints the paper's table for them. (The pair in examples/demo and its images: scripts/demo/.)
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
// Not imported: the set-up must be able to run, and to fail with its own message, before anything else is there.
await run([at("scripts/setup.mjs")]);
process.stderr.write("\n");
await run([at("lib/cli/main.js"), "demo", ...process.argv.slice(2)]);

/** Runs a Node program in the project's folder; if it fails, ends as it ended. */
async function run(args) {
  // Ctrl-C reaches the child by the terminal: it cleans up and ends, and this process with it.
  const ignore = () => {};
  process.on("SIGINT", ignore);
  const child = spawn(process.execPath, args, { cwd: at(""), stdio: "inherit" });
  const code = await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (exitCode, signal) => resolve(exitCode ?? 128 + constants.signals[signal]));
  });
  process.off("SIGINT", ignore);
  if (code !== 0) process.exit(code);
}
