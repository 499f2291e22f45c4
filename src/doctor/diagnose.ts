import { cacheFolder, defaultDataFolder } from "../datasets/data-folder";
import type { PublishedName } from "../datasets/published/catalogue";
import { getThreads } from "../native/addon";
import { setUpAdvice } from "../native/installation";
import { packageVersion } from "../version";
import { datasetsIn, describeFolder, type Folder } from "./folders";
import { recordedLibtorch, type LibtorchBuild } from "./libtorch-build";
import { describeMachine, type Machine } from "./machine";
import { probeAddon, type AddonProbe } from "./probe-addon";

/** Something that is wrong, and what to do about it. */
export interface Problem {
  readonly what: string;
  readonly wayOut: string;
}

/** What a bug report needs, and what is wrong with an installation. */
export interface Diagnosis {
  readonly schemaVersion: 1;
  readonly versions: {
    readonly "hire-snn": string;
    readonly node: string;
    /** Node-API's, which the addon is bound to. */
    readonly napi: string;
    /** Of the library that reads PNG and JPEG, with libvips; null if it cannot be loaded. */
    readonly sharp: string | null;
  };
  readonly addon: AddonProbe;
  /** Null if the addon was never built. */
  readonly libtorch: LibtorchBuild | null;
  readonly machine: Machine;
  readonly threads: { readonly default: number; readonly environment: Readonly<Record<string, string>> };
  readonly cache: Folder | null;
  readonly data: (Folder & { readonly datasets: readonly PublishedName[] }) | null;
  readonly problems: readonly Problem[];
}

/** The least minor version within a major one, as `engines` in package.json; what is later is good. */
const oldestNodes: Readonly<Record<number, number>> = { 20: 17, 22: 9 };
/** Variables that change how many threads compute, and how they wait. */
const threadVariables = [
  "OMP_NUM_THREADS",
  "OMP_WAIT_POLICY",
  "GOMP_SPINCOUNT",
  "GOMP_CPU_AFFINITY",
  "MKL_NUM_THREADS",
];

/**
 * Looks at the installation and the machine. Nothing is loaded into this process or changed, so it works where the addon does not.
 *
 * @returns also with problems; it throws nothing that has to do with them
 */
export async function diagnose(): Promise<Diagnosis> {
  const problems: Problem[] = [];
  const libtorch = recordedLibtorch() ?? null;
  const [addon, machine, sharp] = await Promise.all([
    probeAddon(),
    describeMachine(),
    sharpVersion(problems),
  ]);
  checkNode(problems);
  checkAddon(addon, libtorch, problems);
  const cache = await folderOf(cacheFolder, problems);
  if (cache && !cache.writable) {
    problems.push({
      what: `The cache folder ${cache.path} cannot be written.`,
      wayOut: "Give yourself the right to it, or name another by HIRE_SNN_CACHE.",
    });
  }
  const data = await folderOf(defaultDataFolder, problems);
  if (data && !data.exists && process.env["HIRE_SNN_DATA"]) {
    problems.push({
      what: `HIRE_SNN_DATA is ${data.path}, and there is no such folder.`,
      wayOut: "Make it, correct the variable, or unset it: then the cache folder's data is used.",
    });
  }
  return {
    schemaVersion: 1,
    versions: {
      "hire-snn": packageVersion(),
      node: process.versions.node,
      napi: process.versions["napi"] ?? "unknown",
      sharp,
    },
    addon,
    libtorch,
    machine,
    threads: {
      default: getThreads(),
      environment: Object.fromEntries(
        threadVariables.flatMap((name) =>
          process.env[name] === undefined ? [] : [[name, process.env[name]]],
        ),
      ),
    },
    cache,
    data: data && { ...data, datasets: datasetsIn(data.path) },
    problems,
  };
}

function checkNode(problems: Problem[]): void {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const oldestMinor = oldestNodes[major];
  if (major > 22 || (oldestMinor !== undefined && minor >= oldestMinor)) return;
  problems.push({
    what: `Node.js is ${process.versions.node}, expected 20.17 or later within 20, or 22.9 or later.`,
    wayOut: "Install a later one: https://nodejs.org/en/download",
  });
}

function checkAddon(addon: AddonProbe, libtorch: LibtorchBuild | null, problems: Problem[]): void {
  const setUp = `${setUpAdvice()}.`;
  if (libtorch && !libtorch.exists) {
    problems.push({
      what: `The addon was built for libtorch ${libtorch.version} in ${libtorch.root}, and that folder is gone.`,
      wayOut: setUp,
    });
  }
  if (addon.state === "fails") {
    // The loader's own advice stands in its last line.
    const [reason = "", ...advice] = addon.reason.split("\n");
    problems.push({ what: reason, wayOut: advice.join(" ") || setUp });
    return;
  }
  const { libtorch: version, libtorchRoot } = addon.runtime;
  if (
    !process.env["HIRE_SNN_ADDON"] &&
    libtorch &&
    libtorch.version.split("+")[0] !== version.split("+")[0]
  ) {
    problems.push({
      what: `The addon was built for libtorch ${libtorch.version} and runs on ${version} in ${libtorchRoot}.`,
      wayOut: setUp,
    });
  }
}

async function sharpVersion(problems: Problem[]): Promise<string | null> {
  try {
    const { default: sharp } = await import("sharp");
    return `${sharp.versions.sharp} (libvips ${sharp.versions.vips})`;
  } catch (error) {
    problems.push({
      what: `PNG and JPEG cannot be read: sharp does not load (${(error as Error).message.split("\n")[0]}).`,
      wayOut: "npm install --include=optional sharp",
    });
    return null;
  }
}

/** A folder that the environment names wrongly is a problem, not a failure. */
async function folderOf(name: () => string, problems: Problem[]): Promise<Folder | null> {
  try {
    return await describeFolder(name());
  } catch (error) {
    const { message } = error as Error;
    if (!problems.some(({ what }) => what === message)) {
      problems.push({ what: message, wayOut: "Correct or unset the variable." });
    }
    return null;
  }
}
