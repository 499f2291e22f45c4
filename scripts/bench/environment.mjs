// The Python that the peers run in: that of the reference, with PyTorch, and beside it SpikingJelly and torchattacks.
//
// These two are installed into folders of their own, which go onto PYTHONPATH, without what they ask for: pip would fetch a PyTorch
// with CUDA, several GB, and a torchvision and torchaudio that are built for it, of which the benchmark imports nothing. What they
// do import is listed here, and tried.
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { referencePython } from "../reference/environment.mjs";
import { cacheFolder } from "../setup/cache-folder.mjs";
import { withLock } from "../setup/lock.mjs";
import { capture, run } from "../setup/processes.mjs";
import { patience, pythonsWithPip } from "../setup/pypi.mjs";
import { say, SetupError } from "../setup/report.mjs";

export const packages = [
  {
    name: "spikingjelly",
    version: "2.0.0",
    imports: ["loguru==0.7.3", "scipy>=1.14"],
    trial: "from spikingjelly.activation_based import functional, layer, neuron, surrogate",
  },
  { name: "torchattacks", version: "3.5.1", imports: ["scipy>=1.14"], trial: "import torchattacks" },
];

/**
 * @param {typeof packages} wanted
 * @returns {Promise<{ python: string, environment: Record<string, string>, missing: Record<string, string> }>} `missing`: why a
 *   package could not be installed, by its name
 */
export async function peersPython(wanted = packages) {
  const python = await referencePython();
  const version = (await pythonSays(python, "import sys; print('%d.%d' % sys.version_info[:2])")).trim();
  const folders = [];
  const missing = {};
  for (const one of wanted) {
    const folder = join(cacheFolder(), "python-bench", `${one.name}-${one.version}-python${version}`);
    try {
      if (!existsSync(folder)) await install(one, version, folder, python);
      folders.push(folder);
    } catch (error) {
      if (!(error instanceof SetupError)) throw error;
      missing[one.name] = error.message;
      say(`${one.name} is left out: ${error.message}`);
    }
  }
  return { python, environment: { PYTHONPATH: folders.join(delimiter) }, missing };
}

async function install({ name, version, imports, trial }, pythonVersion, folder, python) {
  await withLock(`${folder}.lock`, `installing ${name}`, async () => {
    if (existsSync(folder)) return; // Installed by the process that was waited for.
    say(`installing ${name} ${version} in ${folder} (once)`);
    const partial = `${folder}.partial`;
    rmSync(partial, { recursive: true, force: true });
    mkdirSync(dirname(folder), { recursive: true });
    try {
      await pip(partial, pythonVersion, [`${name}==${version}`, ...imports]);
      await pythonSays(python, trial, { PYTHONPATH: partial });
      renameSync(partial, folder);
    } finally {
      rmSync(partial, { recursive: true, force: true });
    }
  });
}

/** By any Python's pip: the wheels are chosen for the version that will import them. */
async function pip(folder, pythonVersion, what) {
  const { pythons, rejected } = await pythonsWithPip();
  const failures = [...rejected];
  for (const { python } of pythons) {
    const args = ["-m", "pip", "install", "--quiet", ...patience, "--no-deps", "--only-binary=:all:"];
    try {
      await run(python, [...args, "--python-version", pythonVersion, "--target", folder, ...what], {
        what: "pip",
      });
      return;
    } catch (error) {
      if (!(error instanceof SetupError)) throw error;
      failures.push(`${python}: ${error.message}`);
    }
  }
  throw new SetupError(`${what[0]} cannot be installed: ${failures.join("; ")}`);
}

async function pythonSays(python, program, environment = {}) {
  const { code, stdout, stderr } = await capture(python, ["-c", program], {
    env: { ...process.env, ...environment },
  });
  if (code === 0) return stdout;
  throw new SetupError(`"${program}" fails in ${python}: ${stderr.trim().split("\n").at(-1)}`);
}
