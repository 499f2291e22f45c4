// Step 2, in a checkout: node_modules as package-lock.json says.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { nodeModules, root } from "./project.mjs";
import { run } from "./processes.mjs";
import { say } from "./report.mjs";
import { hashOfFiles, Stamp } from "./stamps.mjs";

export async function packages() {
  // In node_modules, so that it goes when they go. The addons among the packages belong to a platform and processor.
  const stamp = new Stamp(".hire-snn-setup", nodeModules);
  const inputs = {
    lock: hashOfFiles(root, [join(root, "package-lock.json")]),
    machine: `${process.platform} ${process.arch}`,
  };
  if (stamp.matches(inputs)) return;
  if (stamp.read() === null && isInstalled(root)) {
    // Installed by hand with `npm ci` or `npm install`: that is as good, and wiping it would only cost time.
    stamp.write(inputs);
    return;
  }
  say("installing the packages of package-lock.json (npm ci)");
  stamp.clear();
  // Install scripts are neither needed nor wanted: nothing but npm's own client runs here.
  await run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
    cwd: root,
    what: "npm ci",
    hint: "\nIs registry.npmjs.org (or the registry in your npm configuration) within reach?",
  });
  stamp.write(inputs);
}

/**
 * Whether npm's own record of what it installed agrees with the lock file. Packages of other platforms are optional and
 * therefore may lack; what is there has to be of the locked version.
 */
export function isInstalled(folder) {
  let wanted, found;
  try {
    wanted = JSON.parse(readFileSync(join(folder, "package-lock.json"), "utf8")).packages;
    found = JSON.parse(readFileSync(join(folder, "node_modules", ".package-lock.json"), "utf8")).packages;
  } catch {
    return false;
  }
  return Object.entries(wanted)
    .filter(([path]) => path !== "")
    .every(([path, { version, optional }]) =>
      found[path] === undefined ? optional === true : found[path].version === version,
    );
}
