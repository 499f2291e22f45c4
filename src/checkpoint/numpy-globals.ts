import { HireSnnError } from "../errors";
import { PickleObject, type GlobalBuilder, type PickleValue } from "./pickle-values";

/** More than numpy allows (64); a hostile file gains nothing by naming more. */
const MOST_DIMENSIONS = 64;
/** Of a name or byte order. */
const LONGEST_WORD = 64;
const COST_OF_ARRAY = 200;
const COST_OF_BYTES = 320;

/** A numpy element type: "f4", "i8", "u1", "b1", ... with the byte order that the pickle gives it. */
export class NumpyDtype extends PickleObject {
  readonly typeName = "numpy.dtype";
  /** "<" little endian, ">" big endian, "|" without meaning. */
  order: "<" | ">" | "|" = "|";

  constructor(
    /** f float, i signed, u unsigned, b boolean; others (c, O, S, U, V, M, m) hold no plain numbers. */
    readonly kind: string,
    /** Bytes of one element. */
    readonly size: number,
  ) {
    super();
    if (size > 1) this.order = "<";
  }

  /** (version, order, ...): the rest describes records, which have no numbers here. */
  override setState(state: PickleValue): boolean {
    if (!Array.isArray(state)) return false;
    const order = asText(state[1]);
    if (order === ">" || order === "<" || order === "|") this.order = order;
    else if (order !== "=") return false;
    return true;
  }
}

/** A numpy array as the pickle holds it: its bytes are not interpreted. */
export class NumpyArray extends PickleObject {
  readonly typeName = "numpy.ndarray";
  shape: readonly number[] = [];
  dtype: NumpyDtype | undefined;
  /** Whether the elements lie in column-major order. */
  fortran = false;
  /** Exactly as many bytes as shape and dtype need; undefined until the pickle has given them. */
  data: Uint8Array | undefined;

  /** (version, shape, dtype, is Fortran order, raw bytes) */
  override setState(state: PickleValue, charge: (bytes: number) => void): boolean {
    if (!Array.isArray(state) || state.length !== 5) return false;
    const [, shape, dtype, fortran, raw] = state;
    return this.take(shape, dtype, fortran, raw, charge);
  }

  /** @returns whether these are an array's */
  take(
    shape: PickleValue | undefined,
    dtype: PickleValue | undefined,
    fortran: PickleValue | undefined,
    raw: PickleValue | undefined,
    charge: (bytes: number) => void,
  ): boolean {
    if (!Array.isArray(shape) || shape.length > MOST_DIMENSIONS || !(dtype instanceof NumpyDtype))
      return false;
    charge(COST_OF_ARRAY + 8 * shape.length);
    const sizes: number[] = [];
    for (const size of shape) {
      if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) return false;
      sizes.push(size);
    }
    this.shape = sizes;
    this.dtype = dtype;
    this.fortran = fortran === true || fortran === 1;
    // An array of objects has a list here: it stays without data.
    const data = asBytes(raw, charge);
    if (data === undefined) return Array.isArray(raw);
    if (data.length !== sizes.reduce((product, size) => product * size, dtype.size)) return false;
    this.data = data;
    return true;
  }
}

/**
 * Builders of what numpy writes, for an allow-list: arrays, dtypes, and scalars, which become numbers. They make inert
 * data; nothing of numpy is needed or called.
 *
 * @param name of the file, for messages
 */
export function numpyGlobals(name: string): Map<string, GlobalBuilder | "name"> {
  const refuse = (position: number, what: string): HireSnnError =>
    new HireSnnError("CHECKPOINT_CORRUPT", `${name} is corrupt: at byte ${position}, expected ${what}.`);

  const reconstruct: GlobalBuilder = () => new NumpyArray();

  // Protocol 5 gives all at once: (bytes, dtype, shape, order).
  const fromBuffer: GlobalBuilder = ([raw, type, shape, order], position, charge) => {
    const array = new NumpyArray();
    if (!array.take(shape, type, asText(order) === "F", raw, charge))
      throw refuse(position, "the bytes, dtype, shape and order of a numpy array");
    return array;
  };

  const dtype: GlobalBuilder = ([type], position) => {
    const match = /^[<>|=]?([a-zA-Z])(\d{1,6})?$/.exec(asText(type) ?? "");
    if (!match) throw refuse(position, "the name of a numpy dtype");
    return new NumpyDtype(match[1] as string, Number(match[2] ?? 1));
  };

  const scalar: GlobalBuilder = ([type, raw], position, charge) => {
    charge(COST_OF_ARRAY);
    const bytes = asBytes(raw, charge);
    if (!(type instanceof NumpyDtype)) throw refuse(position, "a numpy scalar's dtype and bytes");
    const value = bytes && scalarValue(type, bytes);
    // Dates, records and strings are of no use here; they stay an array without dimensions.
    if (value !== undefined) return value;
    const array = new NumpyArray();
    array.dtype = type;
    return array;
  };

  // Protocol 2 of Python 3 has no bytes: it writes them as text and asks for their encoding.
  const encode: GlobalBuilder = ([text, encoding], position, charge) => {
    const codec = asText(encoding ?? null)
      ?.toLowerCase()
      .replace(/[-_]/g, "");
    if (typeof text !== "string" || (codec !== "latin1" && codec !== "iso88591")) {
      throw refuse(position, "text to be encoded as latin1");
    }
    return encoded(text, "latin1", charge);
  };

  return new Map<string, GlobalBuilder | "name">([
    ["numpy.core.multiarray._reconstruct", reconstruct],
    ["numpy._core.multiarray._reconstruct", reconstruct],
    ["numpy.core.multiarray.scalar", scalar],
    ["numpy._core.multiarray.scalar", scalar],
    ["numpy.core.numeric._frombuffer", fromBuffer],
    ["numpy._core.numeric._frombuffer", fromBuffer],
    ["numpy.ndarray", "name"],
    ["numpy.dtype", dtype],
    ["_codecs.encode", encode],
  ]);
}

function scalarValue(
  { kind, size, order }: NumpyDtype,
  bytes: Uint8Array,
): number | bigint | boolean | undefined {
  if (bytes.length !== size) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = order !== ">";
  switch (`${kind}${size}`) {
    case "b1":
      return view.getUint8(0) !== 0;
    case "i1":
      return view.getInt8(0);
    case "u1":
      return view.getUint8(0);
    case "i2":
      return view.getInt16(0, little);
    case "u2":
      return view.getUint16(0, little);
    case "i4":
      return view.getInt32(0, little);
    case "u4":
      return view.getUint32(0, little);
    case "i8":
      return exact(view.getBigInt64(0, little));
    case "u8":
      return exact(view.getBigUint64(0, little));
    case "f4":
      return view.getFloat32(0, little);
    case "f8":
      return view.getFloat64(0, little);
    default:
      return undefined;
  }
}

function exact(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** A short text, or Python 2's `str` of one. */
function asText(value: PickleValue | undefined): string | undefined {
  if (value instanceof Uint8Array && value.length <= LONGEST_WORD)
    return Buffer.from(value).toString("latin1");
  return typeof value === "string" && value.length <= LONGEST_WORD ? value : undefined;
}

/** Python 2's raw bytes, also where they happened to be valid UTF-8 and were read as text. */
function asBytes(value: PickleValue | undefined, charge: (bytes: number) => void): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  return typeof value === "string" ? encoded(value, "utf8", charge) : undefined;
}

function encoded(text: string, encoding: "utf8" | "latin1", charge: (bytes: number) => void): Uint8Array {
  charge(COST_OF_BYTES + 3 * text.length);
  const bytes = new Uint8Array(Buffer.byteLength(text, encoding));
  Buffer.from(bytes.buffer).write(text, encoding);
  return bytes;
}
