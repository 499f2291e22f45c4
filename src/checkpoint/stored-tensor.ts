import type { StoredTensor } from "./checkpoint";
import { type ElementType } from "./dtypes";
import { PickleObject } from "./pickle-values";

/** A block of elements in the file, as a persistent id names it. */
export class Storage {
  /** Offset of its first byte in the file, once the form has located it. */
  position: number | undefined;
  /** Checksum of all its bytes, where the file has one. */
  crc32: number | undefined;

  constructor(
    readonly key: string,
    readonly type: ElementType,
    /** Elements; bytes if untyped. */
    readonly length: number,
    readonly device: string,
  ) {}

  get byteLength(): number {
    return this.length * this.type.size;
  }
}

/** A storage as a pickle refers to it: the whole of it, or (in old legacy files) a part of it. */
export class StorageView extends PickleObject {
  readonly typeName = "torch.Storage";

  constructor(
    readonly storage: Storage,
    /** First element within the storage. */
    readonly offset: number,
    readonly length: number,
  ) {
    super();
  }
}

/** A tensor in the file, its bounds checked against its storage. */
export class FileTensor extends PickleObject implements StoredTensor {
  readonly typeName = "torch.Tensor";
  readonly dtype;
  readonly device: string;

  constructor(
    readonly storage: Storage,
    type: ElementType & { readonly dtype: StoredTensor["dtype"] },
    /** Byte of its first element within the storage. */
    readonly byteOffset: number,
    readonly shape: readonly number[],
    /** In elements, as many as dimensions. */
    readonly strides: readonly number[],
    /** Product of the shape. */
    readonly length: number,
    /** From the first element to behind the last, in elements; 0 for an empty tensor. */
    readonly span: number,
  ) {
    super();
    this.dtype = type.dtype;
    this.elementSize = type.size;
    this.device = storage.device;
  }

  readonly elementSize: number;

  /** What it shows of the file: tensors with the same place have the same values. */
  get place(): string {
    return JSON.stringify([this.storage.key, this.byteOffset, this.dtype, this.shape, this.strides]);
  }

  /** Whether the elements lie in row-major order without gaps. */
  get contiguous(): boolean {
    let expected = 1;
    for (let axis = this.shape.length - 1; axis >= 0; axis--) {
      const size = this.shape[axis] as number;
      if (size !== 1 && this.strides[axis] !== expected) return false;
      expected *= size;
    }
    return true;
  }

  /** A module's state may set attributes on a parameter; they are of no consequence for its values. */
  override setState(): boolean {
    return true;
  }
}

/** A tensor whose values cannot be read here: a sparse one, one of complex numbers, one without data. */
export class UnreadableTensor extends PickleObject {
  readonly typeName = "torch.Tensor";

  constructor(
    /** What it is: "a tensor of complex64", "a sparse tensor". */
    readonly what: string,
    /** Where the file gives it plainly. */
    readonly shape: readonly number[] | undefined,
  ) {
    super();
  }

  override setState(): boolean {
    return true;
  }
}
