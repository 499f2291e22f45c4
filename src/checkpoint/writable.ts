import { HireSnnError } from "../errors";
import type { StoredDtype, StoredValues } from "./checkpoint";
import { valuesArray } from "./tensor-values";

/**
 * What can be written into a checkpoint. Maps become dicts, arrays lists; a number that is whole becomes an int, any other a
 * float.
 */
export type WritableValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | TensorToWrite
  | readonly WritableValue[]
  | ReadonlyMap<string | number, WritableValue>;

/** Becomes a collections.OrderedDict, the class of a module's state dict. */
export class OrderedMap extends Map<string | number, WritableValue> {
  /** Python attributes of the dict itself: a state dict's `_metadata`. */
  attributes: ReadonlyMap<string | number, WritableValue> | undefined;
}

/** A tensor to be written; its values are asked for when it is its turn, so that they need not be in memory all at once. */
export class TensorToWrite {
  /**
   * @param read gives the values in row-major order
   * @param identity tensors with the same one (tied weights) are written once
   */
  constructor(
    readonly dtype: StoredDtype,
    readonly shape: readonly number[],
    private readonly read: () => StoredValues,
    readonly identity: unknown = {},
  ) {}

  /** Number of elements. */
  get length(): number {
    return this.shape.reduce((product, size) => product * size, 1);
  }

  /** Bytes of the values in the file. */
  get byteLength(): number {
    return this.length * valuesArray(this.dtype).BYTES_PER_ELEMENT;
  }

  /**
   * The values' bytes.
   *
   * @throws HireSnnError INVALID_ARGUMENT if they are not as many, or not of the type, that was announced
   */
  bytes(): Uint8Array {
    const values = this.read();
    if (values.length !== this.length || !(values instanceof valuesArray(this.dtype))) {
      throw new HireSnnError(
        "INVALID_ARGUMENT",
        `Expected ${this.length} values of ${this.dtype} for a tensor of shape [${this.shape.join(", ")}], ` +
          `found ${values.length} in a ${values.constructor.name}.`,
      );
    }
    return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  }
}
