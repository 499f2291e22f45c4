// The versions of Node that the package is tested with, besides the one that runs the tests: the oldest that package.json names,
// and a late one of each later line. npm has Node's own programs as packages, one for each platform; they are kept in the cache folder.
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { cacheFolder } from "../setup/cache-folder.mjs";
import { withLock } from "../setup/lock.mjs";
import { run } from "../setup/processes.mjs";
import { say } from "../setup/report.mjs";

export const nodeVersions = ["20.17.0", "22.23.3", "24.20.0"];

/** @returns {Promise<string>} the program of that version, installed if need be */
export async function nodeProgram(version) {
  const name = `node-${process.platform}-${process.arch}`;
  const folder = join(cacheFolder(), "tools", `${name}-${version}`);
  const program = join(folder, "node_modules", name, "bin", "node");
  if (existsSync(program)) return program;
  return withLock(`${folder}.lock`, `fetching Node ${version}`, async () => {
    if (existsSync(program)) return program; // Fetched by the process that was waited for.
    say(`fetching Node ${version} from the npm registry`);
    const partial = `${folder}.partial`;
    rmSync(partial, { recursive: true, force: true });
    mkdirSync(partial, { recursive: true });
    try {
      const quiet = ["--no-save", "--ignore-scripts", "--no-audit", "--no-fund"];
      await run("npm", ["install", ...quiet, "--prefix", partial, `${name}@${version}`], { cwd: partial });
      mkdirSync(dirname(folder), { recursive: true });
      renameSync(partial, folder);
    } finally {
      rmSync(partial, { recursive: true, force: true });
    }
    return program;
  });
}
