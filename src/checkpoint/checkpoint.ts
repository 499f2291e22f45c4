/** Element types a stored tensor can have. */
export type StoredDtype =
  | "float64"
  | "float32"
  | "float16"
  | "bfloat16"
  | "int64"
  | "int32"
  | "int16"
  | "int8"
  | "uint8"
  | "bool";

/** A tensor as the file describes it; its values stay in the file until they are read. */
export interface StoredTensor {
  readonly dtype: StoredDtype;
  /** Empty for a 0-dim tensor. */
  readonly shape: readonly number[];
  /** The device tag in the file, "cuda:0" for instance. It is of no consequence here. */
  readonly device: string;
}
