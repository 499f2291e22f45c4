import { basename } from "node:path";
import { HireSnnError } from "../errors";

/** The time steps of a network, which no checkpoint of the original holds, and what they were taken from. */
export interface Timesteps {
  readonly timesteps: number;
  readonly from: "option" | "network file" | "file name" | "default";
}

/** Of the published networks. */
const DEFAULT_TIMESTEPS = 8;
/** Far more than any network is trained for: a slip of the finger, not a wish. */
const MOST_TIMESTEPS = 10_000;

/**
 * The time steps to run: as asked for, else the network file's, else `tstepN` in the checkpoint's name, else 8.
 *
 * @throws HireSnnError INVALID_ARGUMENT if the number is not within 1 to 10,000
 */
export function resolveTimesteps(
  option: number | undefined,
  fileName: string,
  networkFile?: { readonly timesteps?: number | undefined },
): Timesteps {
  if (option !== undefined) return checked({ timesteps: option, from: "option" });
  if (networkFile?.timesteps !== undefined) {
    return checked({ timesteps: networkFile.timesteps, from: "network file" });
  }
  const named = /(?:^|[^a-z])tsteps?_?(\d{1,5})(?!\d)/i.exec(basename(fileName))?.[1];
  if (named !== undefined) return checked({ timesteps: Number(named), from: "file name" });
  return { timesteps: DEFAULT_TIMESTEPS, from: "default" };
}

function checked(steps: Timesteps): Timesteps {
  const { timesteps, from } = steps;
  if (Number.isSafeInteger(timesteps) && timesteps >= 1 && timesteps <= MOST_TIMESTEPS) return steps;
  throw new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected 1 to ${MOST_TIMESTEPS} time steps, found ${timesteps} (${from}).`,
  );
}
