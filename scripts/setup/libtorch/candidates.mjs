// Where a libtorch may be, in the order in which they are asked. The first good one is taken.
import { existsSync, readdirSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { cacheFolder } from "../cache-folder.mjs";
import { capture, findPrograms } from "../processes.mjs";
import { hasTraces } from "./judge.mjs";
import { fetchedVersion, isSupported } from "./versions.mjs";

/** @typedef {{root: string, from: string}} Candidate `from` says where it was found */

/**
 * The `torch` packages of the Pythons on the PATH. They are found without being imported: importing takes seconds, and
 * fails for a package with a fault that may not matter here.
 */
export async function* pythonCandidates() {
  const seen = new Set();
  const program = "import importlib.util as u; s = u.find_spec('torch'); print(s.origin or '' if s else '')";
  for (const python of findPrograms(["python3", "python"])) {
    // -I would hide PYTHONPATH's and the user's packages; only the current folder is to be left out.
    const { code, stdout } = await capture(python, ["-c", program], { cwd: "/", timeoutSeconds: 20 });
    const origin = stdout.trim();
    if (code !== 0 || !origin.endsWith("__init__.py") || seen.has(origin)) continue;
    seen.add(origin);
    yield { root: dirname(origin), from: `the torch package of ${python}` };
  }
}

/** Folders in which a system or its user installs libtorch; those without any of it are not worth naming. */
export function* systemCandidates(environment = process.env) {
  const named = ["Torch_ROOT", "TORCH_ROOT", "CMAKE_PREFIX_PATH"].flatMap((name) =>
    (environment[name] ?? "").split(delimiter).map((root) => ({ root, from: name })),
  );
  // Torch_DIR names the folder of TorchConfig.cmake: ROOT/share/cmake/Torch.
  if (environment.Torch_DIR) {
    named.push({ root: dirname(dirname(dirname(environment.Torch_DIR))), from: "Torch_DIR" });
  }
  const usual = ["/opt/libtorch", "/usr/local/libtorch", "/usr/local", "/usr"];
  if (process.platform === "darwin") usual.push("/opt/homebrew/opt/pytorch", "/opt/homebrew");
  for (const candidate of [...named, ...usual.map((root) => ({ root, from: "the system" }))]) {
    if (candidate.root && hasTraces(candidate.root)) yield candidate;
  }
}

/** What earlier set-ups fetched: the pinned version first, then newer before older. */
export function* cacheCandidates() {
  const folder = join(cacheFolder(), "libtorch");
  if (!existsSync(folder)) return;
  const versions = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.includes(".partial") && isSupported(entry.name))
    .map((entry) => entry.name)
    .sort((a, b) => b.localeCompare(a, undefined, { numeric: true }))
    .sort((a, b) => Number(b === fetchedVersion) - Number(a === fetchedVersion));
  for (const version of versions) yield { root: join(folder, version), from: "the cache folder" };
}
