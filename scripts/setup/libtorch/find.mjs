// Step 3: the libtorch that the addon is built against.
import { isAbsolute } from "node:path";
import { findPrograms } from "../processes.mjs";
import { say, SetupError } from "../report.mjs";
import { fileState, Stamp } from "../stamps.mjs";
import { join } from "node:path";
import { cacheCandidates, pythonCandidates, systemCandidates } from "./candidates.mjs";
import { fetchLibtorch } from "./fetch.mjs";
import { judge } from "./judge.mjs";
import { readVersion, supported } from "./versions.mjs";

/**
 * The choice is kept while the folder is unchanged and the environment says the same; `search` makes it anew.
 * @param {{cmake: string}} tools
 * @param {{search?: boolean}} [options]
 * @returns {Promise<import("./judge.mjs").Libtorch>}
 */
export async function libtorch(tools, { search = false } = {}) {
  const stamp = new Stamp("libtorch");
  const known = search ? null : stamp.read();
  if (known !== null && isStillTrue(known)) return known.choice;
  stamp.clear();
  const { libtorch: choice, from } = await choose(tools);
  say(`libtorch ${choice.version} in ${choice.root} (${from})`);
  stamp.write({ asked: asked(), choice, state: stateOf(choice) });
  return choice;
}

const variables = [
  ["HIRE_SNN_LIBTORCH", "HIRE_SNN_CACHE", "XDG_CACHE_HOME", "HOME", "PYTHONPATH", "VIRTUAL_ENV"],
  ["Torch_ROOT", "TORCH_ROOT", "Torch_DIR", "CMAKE_PREFIX_PATH", "LD_LIBRARY_PATH"],
].flat();

/** All that decides where is looked. */
function asked() {
  const said = Object.fromEntries(variables.map((name) => [name, process.env[name] ?? null]));
  return { ...said, pythons: findPrograms(["python3", "python"]) };
}

function stateOf(choice) {
  const file = process.platform === "darwin" ? "libtorch_cpu.dylib" : "libtorch_cpu.so";
  return { library: fileState(join(choice.libFolder, file)), version: readVersion(choice.root) };
}

function isStillTrue({ asked: before, choice, state }) {
  return JSON.stringify([before, state]) === JSON.stringify([asked(), stateOf(choice)]);
}

async function choose(tools) {
  const named = process.env.HIRE_SNN_LIBTORCH;
  if (named) return { libtorch: await requireGood(named), from: "HIRE_SNN_LIBTORCH" };
  for (const search of [pythonCandidates, systemCandidates, cacheCandidates]) {
    for await (const { root, from } of search()) {
      const verdict = await judge(root);
      if (verdict.libtorch) return { libtorch: verdict.libtorch, from };
      say(`skipping ${root} (${from}): ${verdict.reason}`);
    }
  }
  return { libtorch: await fetchLibtorch(tools), from: "fetched into the cache folder" };
}

/** A folder that the user named is taken or refused: quietly building against another one would be worse. */
async function requireGood(root) {
  const wayOut =
    `\nExpected in HIRE_SNN_LIBTORCH the absolute folder of a libtorch ${supported}, or the torch folder of a Python ` +
    "package (with include/ and lib/ in it).\nUnset it to let the set-up find or fetch one.";
  if (!isAbsolute(root))
    throw new SetupError(`HIRE_SNN_LIBTORCH is "${root}": not an absolute path.${wayOut}`);
  const verdict = await judge(root);
  if (verdict.reason) throw new SetupError(`HIRE_SNN_LIBTORCH is ${root}: ${verdict.reason}.${wayOut}`);
  return verdict.libtorch;
}
