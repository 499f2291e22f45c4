#!/usr/bin/env node
// Tests the package as its users get it: `npm run test:package`.
//
// First the tarball, installed into an empty project (test/package); then the tests of the addon's lifecycle under each version of
// Node that the package supports, all with the addon of this checkout: it is bound to Node-API, not to a version of Node.
import { nodeProgram, nodeVersions } from "./package/nodes.mjs";
import { runJest } from "./run-jest.mjs";
import { main } from "./setup/main.mjs";
import { say } from "./setup/report.mjs";

await main(async () => {
  const nodes = [];
  for (const version of nodeVersions) nodes.push(await nodeProgram(version));
  const environment = { HIRE_SNN_TESTS: "package", HIRE_SNN_TEST_NODES: JSON.stringify(nodes) };
  await runJest(["--runInBand"], environment);
  for (const [i, node] of nodes.entries()) {
    say(`the addon's lifecycle under Node ${nodeVersions[i]}`);
    await runJest(["test/native"], {}, { node });
  }
});
