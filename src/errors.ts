/**
 * Every code that an error of this package can carry. A code is part of the public interface: it may be added to, never
 * given another meaning.
 */
export type ErrorCode =
  /** An argument of a library call or command is not what it has to be. */
  | "INVALID_ARGUMENT"
  /** The addon is not built, cannot be loaded, or belongs to another libtorch. */
  | "ADDON_UNAVAILABLE"
  /** A tensor was used after its disposal. */
  | "DISPOSED"
  /** The work was stopped through its AbortSignal. */
  | "ABORTED"
  /** There is no such GPU, or no libtorch or driver that can use it. */
  | "DEVICE_UNAVAILABLE"
  /** A GPU's driver or run-time compiler reported an error. */
  | "DEVICE_FAILED"
  /** The device (memory, libtorch) gave up. */
  | "OUT_OF_MEMORY"
  | "NATIVE_FAILURE"
  /** A file is not a checkpoint, or one of a form that is not read. */
  | "CHECKPOINT_FORMAT"
  /** A checkpoint is truncated or contradicts itself. */
  | "CHECKPOINT_CORRUPT"
  /** A checkpoint names code that must not run. */
  | "CHECKPOINT_UNSAFE"
  /** The tensors of a checkpoint are those of no known network, or of several. */
  | "NETWORK_UNKNOWN"
  /** A network description is not valid. */
  | "NETWORK_INVALID"
  /** A TorchScript program cannot be loaded, or is no classifier. */
  | "SCRIPT_INVALID"
  /** A TorchScript program stopped with an error of its own. */
  | "SCRIPT_FAILED"
  /** A model gives no input gradient that an attack could follow. */
  | "NO_GRADIENT"
  /** A data set's file is missing, short or corrupt. */
  | "DATASET_INVALID"
  /** A data set could not be fetched: no connection, or not the published file. */
  | "DOWNLOAD_FAILED"
  /** Training broke down: NaN, a layer without spikes, a threshold out of bounds. */
  | "TRAINING_FAILED"
  /** A folder is not that of a run, or what it holds is no run's. */
  | "RUN_INVALID"
  /** The folder of a run holds another run than the one that it shall go on with: see the differences in the message. */
  | "RUN_MISMATCH"
  /** Another process works on the folder of a run, or has taken it over. */
  | "RUN_LOCKED"
  /** What a run has written was changed since: its checksums are others. */
  | "RUN_CORRUPT"
  /** Shards do not make one run: one is missing, doubled or not finished. */
  | "SHARDS_INVALID"
  /** The description of a study is not valid. */
  | "STUDY_INVALID"
  /** There is no space left to write a file, or it would be larger than allowed. */
  | "DISK_FULL"
  /** A file could not be read or written. */
  | "IO"
  /** A classifier gave a result that no figure may be derived from (NaN, a wrong shape). */
  | "INVALID_RESULT";

/**
 * The one error class of this package. The message says what was expected, what was found, and the way out; `code` is for
 * programs.
 */
export class HireSnnError extends Error {
  override readonly name = "HireSnnError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
