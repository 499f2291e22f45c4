import type { StoredDtype } from "./checkpoint";

/** An element type of the file: one whose values can be read, or one that is only known by name and size. */
export interface ElementType {
  /** torch's name without "torch.": "float32", "complex64". */
  readonly name: string;
  /** Bytes of one element. */
  readonly size: number;
  /** Set if its values can be read. */
  readonly dtype?: StoredDtype;
}

const readable: readonly (readonly [StoredDtype, number, string])[] = [
  ["float64", 8, "Double"],
  ["float32", 4, "Float"],
  ["float16", 2, "Half"],
  ["bfloat16", 2, "BFloat16"],
  ["int64", 8, "Long"],
  ["int32", 4, "Int"],
  ["int16", 2, "Short"],
  ["int8", 1, "Char"],
  ["uint8", 1, "Byte"],
  ["bool", 1, "Bool"],
];

const named: readonly (readonly [name: string, size: number, storage?: string])[] = [
  ["complex64", 8, "ComplexFloat"],
  ["complex128", 16, "ComplexDouble"],
  ["qint8", 1, "QInt8"],
  ["quint8", 1, "QUInt8"],
  ["qint32", 4, "QInt32"],
  ["quint4x2", 1, "QUInt4x2"],
  ["quint2x4", 1, "QUInt2x4"],
  ["complex32", 4],
  ["uint16", 2],
  ["uint32", 4],
  ["uint64", 8],
  ["float8_e4m3fn", 1],
  ["float8_e4m3fnuz", 1],
  ["float8_e5m2", 1],
  ["float8_e5m2fnuz", 1],
  ["float8_e8m0fnu", 1],
  ["float4_e2m1fn_x2", 1],
];

/** Bytes without an element type: the tensor names its own. */
export const UNTYPED: ElementType = { name: "untyped", size: 1 };

const byStorage = new Map<string, ElementType>();
const byDtype = new Map<string, ElementType>();

for (const [dtype, size, storage] of readable) {
  const type: ElementType = { name: dtype, size, dtype };
  byDtype.set(`torch.${dtype}`, type);
  byStorage.set(`torch.${storage}Storage`, type);
  byStorage.set(`torch.cuda.${storage}Storage`, type);
}
for (const [name, size, storage] of named) {
  const type: ElementType = { name, size };
  byDtype.set(`torch.${name}`, type);
  if (storage !== undefined) byStorage.set(`torch.${storage}Storage`, type);
}
for (const name of [
  "torch.storage.UntypedStorage",
  "torch.UntypedStorage",
  "torch.storage._UntypedStorage",
]) {
  byStorage.set(name, UNTYPED);
}

/** Name of the storage class in torch by the type of its elements. */
export const storageNames = Object.fromEntries(
  readable.map(([dtype, , storage]) => [dtype, `${storage}Storage`]),
) as Readonly<Record<StoredDtype, string>>;

/** By the full name of the storage class: "torch.FloatStorage". */
export const storageTypes: ReadonlyMap<string, ElementType> = byStorage;

/** By the full name of the dtype: "torch.float32". */
export const dtypes: ReadonlyMap<string, ElementType> = byDtype;
