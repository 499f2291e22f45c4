import { HireSnnError } from "../errors";

/** What the system says where a file cannot grow: the disk, the user's quota, or the limit of a file's size. */
const full = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/**
 * An error of the file system in this package's words.
 *
 * @param doing "write x"
 * @param advice what is safe, and how to go on
 */
export function fileError(error: unknown, doing: string, advice = ""): unknown {
  // By its code and not its class: an error of node:fs may be of another realm than this module.
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof HireSnnError || typeof code !== "string") return error;
  const sentences = [`Could not ${doing}: ${message}`, ...(advice === "" ? [] : [advice])].join(". ");
  return new HireSnnError(full.has(code) ? "DISK_FULL" : "IO", sentences, { cause: error });
}

let ignoring = 0;
const ignore = (): void => undefined;

/**
 * Until it is undone, writing beyond the limit of a file's size (RLIMIT_FSIZE, `ulimit -f`) is an error that can be reported. Without,
 * the system's signal ends the process.
 *
 * @returns undoes it
 */
export function reportFileSizeLimit(): () => void {
  if (process.platform === "win32") return ignore;
  if (ignoring++ === 0) process.on("SIGXFSZ", ignore);
  let done = false;
  return () => {
    if (done) return;
    done = true;
    if (--ignoring === 0) process.off("SIGXFSZ", ignore);
  };
}
