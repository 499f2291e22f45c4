import { CommanderError } from "commander";
import { HireSnnError } from "../errors";

/** What the shell is told. */
export const exitCodes = { success: 0, failure: 1, usage: 2, refusedFile: 3, interrupted: 130 } as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** The exit code of an error that ended a command. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.success : exitCodes.usage;
  if (!(error instanceof HireSnnError)) return exitCodes.failure;
  switch (error.code) {
    case "INVALID_ARGUMENT":
      return exitCodes.usage;
    case "CHECKPOINT_FORMAT":
    case "CHECKPOINT_CORRUPT":
    case "CHECKPOINT_UNSAFE":
    case "NETWORK_UNKNOWN":
    case "NETWORK_INVALID":
    case "SCRIPT_INVALID":
    case "DATASET_INVALID":
    case "RUN_INVALID":
    case "RUN_CORRUPT":
    case "STUDY_INVALID":
      return exitCodes.refusedFile;
    case "ABORTED":
      return exitCodes.interrupted;
    default:
      return exitCodes.failure;
  }
}
