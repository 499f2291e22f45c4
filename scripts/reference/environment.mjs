// The virtual environment of the Python reference, in the user's cache folder, shared between clones: made once, under a lock,
// and renamed into place when it is complete.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { cacheFolder } from "../setup/cache-folder.mjs";
import { withLock } from "../setup/lock.mjs";
import { capture, describeEnd, run } from "../setup/processes.mjs";
import { root } from "../setup/project.mjs";
import { patience, pythonsWithPip } from "../setup/pypi.mjs";
import { say, SetupError } from "../setup/report.mjs";

export const referenceFolder = join(root, "scripts", "reference");

const torch = "2.13.0";
const cpuIndex = "https://download.pytorch.org/whl/cpu";
/** The versions of Python that this PyTorch has wheels for. */
const pythonVersions = ["3.10", "3.11", "3.12", "3.13", "3.14"];

/**
 * @returns {Promise<string>} a Python that has PyTorch and NumPy
 * @throws {SetupError} with the reason for each Python that could not be used
 */
export async function referencePython() {
  const numpy = readFileSync(join(referenceFolder, "requirements.txt"), "utf8");
  const versions = /numpy==([\d.]+)/g;
  const name = `torch-${torch}-numpy-${[...numpy.matchAll(versions)].map((match) => match[1]).join("-")}`;
  const folder = join(cacheFolder(), "python-reference", name);
  const python = join(folder, "bin", "python");
  // The link dangles if the system's Python has been replaced by another version: then it is made again.
  if (existsSync(python)) return python;
  return withLock(`${folder}.lock`, "making the virtual environment of the Python reference", async () => {
    if (existsSync(python)) return python; // Made by the process that was waited for.
    say(`making a virtual environment with PyTorch ${torch} in ${folder} (once)`);
    const { pythons, rejected } = await pythonsWithPip();
    const failures = [...rejected];
    for (const candidate of pythons) {
      if (!pythonVersions.includes(candidate.version)) {
        failures.push(
          `${candidate.python}: is ${candidate.version}, PyTorch ${torch} needs one of ${pythonVersions.join(", ")}`,
        );
        continue;
      }
      try {
        await make(folder, candidate.python);
        return python;
      } catch (error) {
        if (!(error instanceof SetupError)) throw error;
        failures.push(`${candidate.python}: ${error.message}`);
      }
    }
    throw new SetupError(
      `No Python for the reference could be set up:\n${failures.map((line) => `  ${line}\n`).join("")}` +
        `It needs Python ${pythonVersions[0]} to ${pythonVersions.at(-1)} with pip, and PyPI within reach.`,
    );
  });
}

async function make(folder, base) {
  const partial = `${folder}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  try {
    // Without its own pip, which some systems leave out (Debian's python3-venv): the base's pip installs into it.
    await run(base, ["-m", "venv", "--without-pip", partial], { what: "python -m venv" });
    const library = join(partial, "lib");
    const version = readdirSync(library).find((entry) => entry.startsWith("python"));
    await installInto(join(library, version, "site-packages"), base);
    const trial = await capture(join(partial, "bin", "python"), [
      "-c",
      "import numpy, torch; print(torch.__version__)",
    ]);
    if (trial.code !== 0) {
      throw new SetupError(
        `PyTorch does not run: ${describeEnd("it", trial)}: ${trial.stderr.trim().split("\n").at(-1)}`,
      );
    }
    renameSync(partial, folder);
    say(`the Python reference has PyTorch ${trial.stdout.trim()}`);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

async function installInto(packages, base) {
  const requirements = ["-r", join(referenceFolder, "requirements.txt")];
  const install = (what, ...more) =>
    run(
      base,
      [
        "-m",
        "pip",
        "install",
        "--quiet",
        ...patience,
        "--only-binary=:all:",
        "--target",
        packages,
        what,
        ...requirements,
        ...more,
      ],
      {
        what: "pip",
      },
    );
  try {
    await install(`torch==${torch}+cpu`, "--extra-index-url", cpuIndex);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    // Without that index: PyPI's own wheel, which on Linux brings CUDA along.
    say(`no CPU wheel from ${cpuIndex}; trying PyPI`);
    rmSync(packages, { recursive: true, force: true });
    await install(`torch==${torch}`);
  }
}
