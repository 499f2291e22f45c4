#!/usr/bin/env node
// Tests the package as its users get it: `npm run test:package`.
//
// First the tarball, installed into an empty project (test/package); then the tests of the addon's lifecycle under each version of
// Node that the package supports, all with the addon of this checkout: it is bound to Node-API, not to a version of Node.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { nodeProgram, nodeVersions } from "./package/nodes.mjs";
import { main } from "./setup/main.mjs";
import { interrupted } from "./setup/processes.mjs";
import { root } from "./setup/project.mjs";
import { say } from "./setup/report.mjs";

await main(async () => {
  const nodes = [];
  for (const version of nodeVersions) nodes.push(await nodeProgram(version));
  await jest(process.execPath, ["--runInBand"], {
    HIRE_SNN_TESTS: "package",
    HIRE_SNN_TEST_NODES: JSON.stringify(nodes),
  });
  for (const [i, node] of nodes.entries()) {
    say(`the addon's lifecycle under Node ${nodeVersions[i]}`);
    await jest(node, ["test/native"], {});
  }
});

/** A failed test is no failure of this script: the tests' own last line says it, and the other versions are tried too. */
async function jest(node, args, environment) {
  const program = join(root, "node_modules", "jest", "bin", "jest.js");
  const child = spawn(node, ["--experimental-vm-modules", program, ...args], {
    cwd: root,
    env: { ...process.env, ...environment },
    stdio: "inherit",
  });
  const end = () => child.kill("SIGTERM");
  interrupted.addEventListener("abort", end, { once: true });
  const code = await new Promise((settle, reject) => child.on("error", reject).on("close", settle));
  interrupted.removeEventListener("abort", end);
  interrupted.throwIfAborted();
  if (code !== 0) process.exitCode = 1;
}
