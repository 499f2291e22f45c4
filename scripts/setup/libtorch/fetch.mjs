// Fetches libtorch once into the user's cache folder, for all clones.
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../cache-folder.mjs";
import { withLock } from "../lock.mjs";
import { interrupted } from "../processes.mjs";
import { say, SetupError } from "../report.mjs";
import { cacheCandidates } from "./candidates.mjs";
import { judge } from "./judge.mjs";
import { fetchWheel } from "./wheel.mjs";
import { fetchZip } from "./zip.mjs";
import { fetchedVersion, readVersion, supported } from "./versions.mjs";

/**
 * @typedef {object} Source
 * @property {string} name
 * @property {(folder: string) => Promise<string>} fetch downloads and unpacks below an empty folder, returns the root
 */

const pipSource = { name: `torch==${fetchedVersion} by pip`, fetch: fetchWheel };
const zipSource = { name: "the official libtorch zip", fetch: fetchZip };

/**
 * @param {object} tools
 * @param {{sources?: Source[], judgement?: typeof judge}} [options] for tests
 * @returns {Promise<import("./judge.mjs").Libtorch>}
 */
export async function fetchLibtorch(tools, { sources = defaultSources(), judgement = judge } = {}) {
  const home = join(cacheFolder(), "libtorch");
  return withLock(join(home, "fetch.lock"), "fetching libtorch into the cache folder", async () => {
    // Another clone's set-up may have fetched it while this one waited.
    for (const { root } of cacheCandidates()) {
      const verdict = await judgement(root);
      if (verdict.libtorch) return verdict.libtorch;
    }
    const failures = [];
    for (const { name, fetch } of sources) {
      say(`fetching ${name} into ${home}`);
      try {
        return await fetchInto(home, fetch, judgement);
      } catch (error) {
        if (interrupted.aborted || !(error instanceof SetupError)) throw error;
        say(`${name}: ${error.message}`);
        failures.push(`  ${name}: ${error.message}`);
      }
    }
    throw new SetupError(byHand(failures));
  });
}

function defaultSources() {
  // Whoever names a mirror of the zip means it to be used.
  return process.env.HIRE_SNN_LIBTORCH_URL ? [zipSource] : [pipSource, zipSource];
}

/** Downloads beside the destination (same file system), judges what came, and only then moves it to its name. */
async function fetchInto(home, fetch, judgement) {
  const partial = join(home, "fetch.partial");
  // The lock is held, so whatever lies there was left by a set-up that was killed.
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  try {
    const root = await fetch(partial);
    const verdict = await judgement(root);
    if (verdict.reason) throw new SetupError(`what was fetched cannot be used: ${verdict.reason}`);
    const destination = join(home, readVersion(root));
    // A folder of that name was judged and found wanting above.
    if (existsSync(destination)) rmSync(destination, { recursive: true });
    renameSync(root, destination);
    const moved = await judgement(destination);
    if (moved.reason) throw new SetupError(`${destination}: ${moved.reason}`);
    return moved.libtorch;
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

function byHand(failures) {
  return `No libtorch (${supported}) was found on this machine, and none could be fetched:
${failures.join("\n")}
Any one of these helps:
  - install PyTorch for the python3 on your PATH:
      python3 -m pip install "torch==${fetchedVersion}" --extra-index-url https://download.pytorch.org/whl/cpu
  - unpack a libtorch ("LibTorch", C++, shared, with dependencies) from https://pytorch.org/get-started/locally/
    and name its folder: HIRE_SNN_LIBTORCH=/path/to/libtorch
  - name the torch folder of any Python environment: HIRE_SNN_LIBTORCH=/path/to/site-packages/torch
  - name a mirror of the zip: HIRE_SNN_LIBTORCH_URL=https://..., with HIRE_SNN_LIBTORCH_SHA256 if it is another file
Then run the command again.`;
}
