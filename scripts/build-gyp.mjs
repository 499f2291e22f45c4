#!/usr/bin/env node
// Builds the addon by node-gyp instead of CMake, into binding/build/Release/, and loads it once. For those whose tools
// speak gyp; the package itself uses the CMake build. See docs/setup.md.
import { existsSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { checkThatItLoads } from "./setup/build-addon.mjs";
import { libtorch } from "./setup/libtorch/find.mjs";
import { withLock } from "./setup/lock.mjs";
import { main } from "./setup/main.mjs";
import { packages } from "./setup/packages.mjs";
import { prerequisites } from "./setup/prerequisites.mjs";
import { capture, run } from "./setup/processes.mjs";
import { buildFolder, nodeModules, root } from "./setup/project.mjs";
import { elapsedSeconds, say, SetupError } from "./setup/report.mjs";

const bindingFolder = join(root, "binding");
const builtFile = join(bindingFolder, "build", "Release", "hire_snn.node");

await main(async () => {
  await withLock(join(buildFolder, "setup.lock"), "building the addon by node-gyp", async () => {
    const tools = await prerequisites();
    await packages();
    const chosen = await libtorch(tools);
    await build(chosen, tools);
    await checkThatItLoads(builtFile);
    say(`${await versionOf(builtFile)} in ${builtFile} (${elapsedSeconds()} s)`);
  });
});

async function build({ root: libtorchRoot, version, libFolder, openmp }, tools) {
  const variables = {
    libtorch_root: libtorchRoot,
    libtorch_version: version,
    libtorch_lib_dir: libFolder,
    libtorch_openmp: openmp ?? "",
    node_addon_api: join(nodeModules, "node-addon-api"),
  };
  const args = [
    join(nodeModules, "node-gyp", "bin", "node-gyp.js"),
    ...["rebuild", "--directory", bindingFolder, "--jobs", "max", "--nodedir", nodePrefix()],
    "--",
    ...Object.entries(variables).map(([name, value]) => `-D${name}=${value}`),
  ];
  await run(process.execPath, args, { what: "node-gyp", env: { ...process.env, CXX: tools.compiler } });
}

/** The installation of the running Node: its headers are beside it, so that node-gyp need not download them. */
function nodePrefix() {
  const prefixes = [dirname(dirname(realpathSync(process.execPath))), "/usr", "/usr/local"];
  const found = prefixes.find((prefix) => existsSync(join(prefix, "include", "node", "node_api.h")));
  if (found === undefined) {
    throw new SetupError(
      `Expected the headers of Node.js ${process.version} in ${join(prefixes[0], "include", "node")} but there are none.\n` +
        "Debian, Ubuntu: apt-get install libnode-dev; the archives of nodejs.org and nvm have them.\n" +
        "Only `npm run build:gyp` needs them; `npm run setup` builds the same addon without.",
    );
  }
  return found;
}

async function versionOf(file) {
  const program = "const a = require(process.argv[1]); console.log(a.libtorchVersion ?? a.version ?? '')";
  const { stdout } = await capture(process.execPath, ["-e", program, file]);
  return `addon for libtorch ${stdout.trim()}`;
}
