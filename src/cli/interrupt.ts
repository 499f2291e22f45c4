import { HireSnnError } from "../errors";
import { exitCodes } from "./exit-code";

/**
 * Runs work that Ctrl-C can stop: the first one asks it to stop, which it does within a layer, after which what is finished is
 * kept; the second one ends the process at once.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const interrupt = (): void => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    // First, because lines of progress make room when they hear of it.
    controller.abort(new HireSnnError("ABORTED", "Interrupted"));
    process.stderr.write("\nStopping; Ctrl-C again to exit at once.\n");
  };
  process.on("SIGINT", interrupt);
  try {
    return await work(controller.signal);
  } finally {
    process.off("SIGINT", interrupt);
  }
}
