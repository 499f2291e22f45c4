import { execFile } from "node:child_process";
import { join } from "node:path";
import type { RuntimeIdentity } from "../native/addon";

/** What came of loading the addon in a process of its own. */
export type AddonProbe =
  | {
      readonly state: "works";
      readonly runtime: RuntimeIdentity;
      /** Files of the addon, libtorch and OpenMP that the process had loaded. */
      readonly loaded: readonly string[];
    }
  | { readonly state: "fails"; readonly reason: string };

const patience = 60_000;

/** In the child: what is loaded is asked of the process itself, so that another libtorch than expected shows. */
const program = `
  const { runtimeIdentity } = require(process.argv[1]);
  try {
    const runtime = runtimeIdentity();
    process.report.excludeNetwork = true;
    const loaded = process.report
      .getReport()
      .sharedObjects.filter((file) => /(hire_snn|libtorch|libc10|lib[gi]?omp|libcudart)[^/]*$/.test(file));
    console.log(JSON.stringify({ state: "works", runtime, loaded }));
  } catch (error) {
    console.log(JSON.stringify({ state: "fails", reason: error.message }));
  }
`;

/**
 * Loads the addon in a child: one that is broken may take its process with it, and then there would be nobody to say so.
 *
 * @returns also where it fails, with the reason
 */
export function probeAddon(): Promise<AddonProbe> {
  const module = join(__dirname, "..", "native", "addon.js");
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ["-e", program, module],
      { timeout: patience, killSignal: "SIGKILL", maxBuffer: 1 << 24 },
      (error, stdout, stderr) => {
        try {
          resolve(JSON.parse(stdout) as AddonProbe);
        } catch {
          const end = error?.killed
            ? `it did not load within ${patience / 1000} s`
            : error?.signal
              ? `its process was ended by ${error.signal}`
              : `its process ended with ${error?.code ?? 0}`;
          const said = stderr.trim().split("\n").slice(-3).join(" ");
          resolve({ state: "fails", reason: `The addon cannot be loaded: ${end}${said ? `: ${said}` : ""}` });
        }
      },
    );
  });
}
