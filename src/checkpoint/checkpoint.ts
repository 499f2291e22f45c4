/** Element types a stored tensor can have. */
export type StoredDtype =
  "float64" | "float32" | "float16" | "bfloat16" | "int64" | "int32" | "int16" | "int8" | "uint8" | "bool";

/** A tensor as the file describes it; its values stay in the file until they are read. */
export interface StoredTensor {
  readonly dtype: StoredDtype;
  /** Empty for a 0-dim tensor. */
  readonly shape: readonly number[];
  /** The device tag in the file, "cuda:0" for instance. It is of no consequence here. */
  readonly device: string;
}

/** "legacy" is the stream that PyTorch wrote before 1.6, "zip" the archive since; safetensors holds tensors alone. */
export type CheckpointFormat = "legacy" | "zip" | "safetensors";

/**
 * Values of a tensor in row-major order. float16 and bfloat16 come as their 16 bits each, bool as 0 and 1.
 */
export type StoredValues =
  | Float64Array
  | Float32Array
  | Uint16Array
  | BigInt64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint8Array;

/** Anything in a checkpoint that is not a tensor. */
export type ExtraValue = ExtraScalar | readonly ExtraScalar[] | ExtraObject;

/** A plain value of a checkpoint; whole numbers beyond 2^53 - 1 are bigints. */
export type ExtraScalar = null | boolean | number | bigint | string;

/** Something that is listed but not looked into. */
export interface ExtraObject {
  /** "bytes", "empty dict", "object", "tensor", "reference" (to something that holds it). */
  readonly kind: "bytes" | "empty" | "object" | "tensor" | "reference";
  /** For a reader: "120 bytes", "pathlib.PosixPath", "a tensor of complex64". */
  readonly what: string;
}

/** The weights of one network within a checkpoint. */
export interface StateDict {
  /** Where it lies in the checkpoint: "" at the top, else "state_dict" for instance. */
  readonly path: string;
  /** Whether every key had a leading `module.` (DataParallel's), which is removed in `tensors`. */
  readonly modulePrefix: boolean;
  /** By key, without `path` and `module.`. */
  readonly tensors: ReadonlyMap<string, StateDictTensor>;
  /** Keys of the tensors that cannot be read. */
  readonly others: readonly string[];
}

/** A tensor of a {@link StateDict}. */
export interface StateDictTensor extends StoredTensor {
  /** The key of the whole checkpoint, for {@link Checkpoint.read}. */
  readonly path: string;
}

/** An open checkpoint. Close it when it is no longer needed: it holds the file open. */
export interface Checkpoint {
  /** As it was opened. */
  readonly path: string;
  /** Bytes of the file. */
  readonly size: number;
  readonly format: CheckpointFormat;
  /** By path: the keys on the way joined by dots; "" if the file holds one bare tensor. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** All else, by path. Lists of plain values are one entry. */
  readonly extras: ReadonlyMap<string, ExtraValue>;
  readonly stateDict: StateDict;
  /** Names of the classes outside the allow-list whose objects were left unread. */
  readonly opaqueGlobals: readonly string[];
  /** Oddities of the file that a report should mention, as sentences. */
  readonly warnings: readonly string[];
  /**
   * Reads the values of a tensor from the file. Tensors with exactly the same values in the file (tied weights) share
   * one array while it is in use: do not write into it.
   *
   * @param path a key of `tensors`
   * @throws HireSnnError INVALID_ARGUMENT for an unknown path, CHECKPOINT_FORMAT for a tensor whose values cannot be read,
   *   CHECKPOINT_CORRUPT, IO, DISPOSED after close
   */
  read(path: string): StoredValues;
  /**
   * As {@link read}, converted to float32 from any floating-point type (float64 is rounded).
   *
   * @throws HireSnnError also INVALID_ARGUMENT for integers and bool
   */
  readFloat32(path: string): Float32Array;
  /** Closes the file. Arrays that were read stay valid. Closing twice is no error. */
  close(): void;
  /** As {@link close}, for `using`. */
  [Symbol.dispose](): void;
}
