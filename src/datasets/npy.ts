import { HireSnnError } from "../errors";

/** What stands before the elements of a `.npy` file (NumPy's format 1.0 to 3.0). */
export interface NpyHeader {
  /** NumPy's name: "|u1", "<f4", "<i8", "<U10". */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Bytes of one element. */
  readonly elementBytes: number;
  /** Bytes before the first element. */
  readonly headerBytes: number;
}

const magic = Buffer.from("\x93NUMPY", "latin1");
/** NumPy pads its headers so that the elements begin at a multiple of this. */
const alignment = 64;
/** Enough for 32 dimensions; NumPy itself refuses headers of more than 10,000 characters. */
const longestHeader = 10_000;
/** How many of a file's first bytes {@link parseNpyHeader} may need. */
export const mostHeaderBytes = 12 + longestHeader;

/**
 * @param start the file's first bytes: {@link mostHeaderBytes} or all
 * @param name of the array, for messages
 * @throws HireSnnError DATASET_INVALID if it is no `.npy` file, has objects, records or column-major order
 */
export function parseNpyHeader(start: Uint8Array, name: string): NpyHeader {
  const bytes = Buffer.from(start.buffer, start.byteOffset, start.byteLength);
  if (bytes.length < 12 || !bytes.subarray(0, 6).equals(magic)) {
    throw invalid(
      name,
      "an array in NumPy's format",
      `bytes that begin with ${bytes.toString("hex", 0, 6) || "nothing"}`,
    );
  }
  const version = bytes[6] as number;
  const lengthBytes = version === 1 ? 2 : 4;
  const length = version === 1 ? bytes.readUInt16LE(8) : bytes.readUInt32LE(8);
  const headerBytes = 8 + lengthBytes + length;
  if (version < 1 || version > 3) throw invalid(name, "version 1 to 3 of NumPy's format", String(version));
  if (length > longestHeader || headerBytes > bytes.length) {
    throw invalid(name, `a header of at most ${longestHeader} bytes`, String(length));
  }
  const text = bytes.toString("utf8", 8 + lengthBytes, headerBytes);
  const dtype = /'descr'\s*:\s*'([^']*)'/.exec(text)?.[1];
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1];
  const sizes = /'shape'\s*:\s*\(([\d,\s]*)\)/.exec(text)?.[1];
  if (order === undefined || sizes === undefined)
    throw invalid(name, "order and shape", JSON.stringify(text.trim().slice(0, 80)));
  const type = /^([<>|=]?)([a-zA-Z])(\d+)$/.exec(dtype ?? "");
  if (!type || type[2] === "O" || type[2] === "V") {
    throw invalid(name, "plain numbers or text", dtype === undefined ? "records" : `dtype ${dtype}`);
  }
  const elementBytes = Number(type[3]) * (type[2] === "U" ? 4 : 1);
  if (type[1] === ">" && elementBytes > 1) throw invalid(name, "little-endian elements", `dtype ${dtype}`);
  if (order === "True")
    throw invalid(name, "row-major order", "column-major; save it by np.ascontiguousarray");
  const shape = sizes
    .split(",")
    .filter((part) => part.trim() !== "")
    .map(Number);
  return { dtype: `${elementBytes > 1 ? "<" : "|"}${type[2]}${type[3]}`, shape, elementBytes, headerBytes };
}

/** The header that NumPy writes for such an array. */
export function formatNpyHeader(dtype: string, shape: readonly number[]): Buffer {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const text = `{'descr': '${dtype}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const total = Math.ceil((10 + text.length + 1) / alignment) * alignment;
  const header = Buffer.alloc(total, " ");
  magic.copy(header);
  header.writeUInt8(1, 6);
  header.writeUInt8(0, 7);
  header.writeUInt16LE(total - 10, 8);
  header.write(text, 10, "latin1");
  header.write("\n", total - 1);
  return header;
}

/**
 * Elements as numbers.
 *
 * @returns undefined if the dtype is no number of at most 64 bits, or a half
 */
export function numbersOf(dtype: string, bytes: Uint8Array): ArrayLike<number> | undefined {
  // A copy, because a view of wider elements has to begin at a multiple of their size.
  const { buffer } = Uint8Array.from(bytes);
  switch (dtype) {
    case "|u1":
      return new Uint8Array(buffer);
    case "|i1":
      return new Int8Array(buffer);
    case "<u2":
      return new Uint16Array(buffer);
    case "<i2":
      return new Int16Array(buffer);
    case "<u4":
      return new Uint32Array(buffer);
    case "<i4":
      return new Int32Array(buffer);
    case "<u8":
      return Array.from(new BigUint64Array(buffer), Number);
    case "<i8":
      return Array.from(new BigInt64Array(buffer), Number);
    case "<f4":
      return new Float32Array(buffer);
    case "<f8":
      return new Float64Array(buffer);
    default:
      return undefined;
  }
}

/** Elements of NumPy's text type "<UN": UTF-32, padded by zeros. */
export function textsOf(dtype: string, bytes: Uint8Array): string[] | undefined {
  const length = /^<U(\d+)$/.exec(dtype)?.[1];
  if (length === undefined) return undefined;
  const points = new Uint32Array(Uint8Array.from(bytes).buffer);
  const each = Number(length);
  return Array.from({ length: each === 0 ? 0 : points.length / each }, (_, i) =>
    Array.from(points.subarray(i * each, (i + 1) * each))
      .filter((point) => point > 0 && point <= 0x10ffff)
      .map((point) => String.fromCodePoint(point))
      .join(""),
  );
}

/** Texts as NumPy keeps them, with their dtype. */
export function encodeTexts(texts: readonly string[]): { dtype: string; bytes: Buffer } {
  const points = texts.map((text) => Array.from(text, (character) => character.codePointAt(0) as number));
  const length = Math.max(1, ...points.map(({ length: size }) => size));
  const values = new Uint32Array(texts.length * length);
  points.forEach((each, i) => values.set(each, i * length));
  return { dtype: `<U${length}`, bytes: Buffer.from(values.buffer) };
}

function invalid(name: string, expected: string, found: string): HireSnnError {
  return new HireSnnError("DATASET_INVALID", `Expected ${expected} for ${name} but found ${found}`);
}
