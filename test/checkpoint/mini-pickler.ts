/** Writes pickles of protocol 2 by hand, honest and hostile, and the two forms around them. */

export type Part = Uint8Array | readonly Part[];

export const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
export const ascii = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "latin1"));

export function joined(...parts: readonly Part[]): Buffer {
  return Buffer.concat(parts.map((part) => (part instanceof Uint8Array ? part : joined(...part))));
}

function little(value: number | bigint, size: 4 | 8): Uint8Array {
  const buffer = Buffer.alloc(size);
  if (size === 8) buffer.writeBigInt64LE(BigInt(value));
  else buffer.writeUInt32LE(Number(value));
  return Uint8Array.from(buffer);
}

export const uint32 = (value: number): Uint8Array => little(value, 4);
export const int64 = (value: number | bigint): Uint8Array => little(value, 8);

export const mark = ascii("(");
export const none = ascii("N");
export const emptyTuple = ascii(")");
export const reduce = ascii("R");

export function text(value: string): Part {
  const encoded = Uint8Array.from(Buffer.from(value));
  return [ascii("X"), uint32(encoded.length), encoded];
}

/** LONG1, which holds any integer of up to 64 bits. */
export const integer = (value: number | bigint): Part => [bytes(0x8a, 8), int64(value)];
export const boolean = (value: boolean): Part => bytes(value ? 0x88 : 0x89);
export const tuple = (...items: Part[]): Part => [mark, ...items, ascii("t")];
export const list = (...items: Part[]): Part => [ascii("]"), mark, ...items, ascii("e")];
export const dict = (...pairs: [string, Part][]): Part => [
  ascii("}"),
  mark,
  ...pairs.map(([key, value]): Part => [text(key), value]),
  ascii("u"),
];
export const global = (module: string, name: string): Part => ascii(`c${module}\n${name}\n`);
export const call = (callee: Part, ...args: Part[]): Part => [callee, tuple(...args), reduce];
export const pickle = (value: Part): Buffer => joined(bytes(0x80, 2), value, ascii("."));

export interface StorageOptions {
  readonly type?: string;
  readonly device?: string;
  /** Of the legacy form: (key, offset, length), or None. */
  readonly view?: Part;
}

export function storage(key: string, length: number | bigint, options: StorageOptions = {}): Part {
  const { type = "FloatStorage", device = "cpu", view } = options;
  const id = [text("storage"), global("torch", type), text(key), text(device), integer(length)];
  return [tuple(...id, ...(view ? [view] : [])), ascii("Q")];
}

export interface TensorOptions {
  readonly offset?: number | bigint;
  readonly strides?: readonly (number | bigint)[];
}

export function tensor(stored: Part, shape: readonly (number | bigint)[], options: TensorOptions = {}): Part {
  const strides =
    options.strides ??
    shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => BigInt(a) * BigInt(b), 1n));
  return call(
    global("torch._utils", "_rebuild_tensor_v2"),
    stored,
    integer(options.offset ?? 0),
    tuple(...shape.map(integer)),
    tuple(...strides.map(integer)),
    boolean(false),
    call(global("collections", "OrderedDict")),
  );
}

const magic = joined(bytes(0x80, 2, 0x8a, 10), Buffer.from("6cfc9c46f9206aa85019", "hex"), ascii("."));

export interface LegacyOptions {
  readonly littleEndian?: boolean;
  readonly protocol?: number;
  /** What the stream says a storage's count is, where it is to lie. */
  readonly counts?: Readonly<Record<string, number | bigint>>;
}

/** The five pickles, which the storages follow. */
export function legacyPickles(object: Part, keys: readonly string[], options: LegacyOptions = {}): Buffer {
  return joined(
    magic,
    pickle(integer(options.protocol ?? 1001)),
    pickle(
      dict(["protocol_version", integer(1001)], ["little_endian", boolean(options.littleEndian ?? true)]),
    ),
    pickle(object),
    pickle(list(...keys.map(text))),
  );
}

/** @param storages by key, with the values of each */
export function legacyFile(
  object: Part,
  storages: Readonly<Record<string, Float32Array>> = {},
  options: LegacyOptions = {},
): Buffer {
  return joined(
    legacyPickles(object, Object.keys(storages), options),
    ...Object.entries(storages).map(([key, values]): Part => {
      return [int64(options.counts?.[key] ?? values.length), new Uint8Array(values.slice().buffer)];
    }),
  );
}

export interface ZipFileEntry {
  readonly name: string;
  readonly data: Uint8Array;
  readonly method?: number;
  readonly crc32?: number;
  /** What the directory says the entry's offset is, where it is to lie. */
  readonly offset?: number;
  readonly size?: number;
}

/** An archive of stored entries, without ZIP64 and with a checksum of 0 ("none") unless given. */
export function zipFile(entries: readonly ZipFileEntry[]): Buffer {
  const locals: Buffer[] = [];
  const central: Buffer[] = [];
  let position = 0;
  for (const { name, data, method = 0, crc32 = 0, offset, size = data.length } of entries) {
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(method, 4);
    common.writeUInt32LE(crc32, 10);
    common.writeUInt32LE(size, 14);
    common.writeUInt32LE(size, 18);
    common.writeUInt16LE(name.length, 22);
    const local = joined(ascii("PK\x03\x04"), common, ascii(name), data);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset ?? position, 10);
    central.push(joined(ascii("PK\x01\x02"), bytes(20, 0), common, tail, ascii(name)));
    locals.push(local);
    position += local.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(position, 16);
  return Buffer.concat([...locals, directory, end]);
}

/** @param storages by key, with the values of each */
export function zipCheckpoint(
  object: Part,
  storages: Readonly<Record<string, Float32Array>> = {},
  byteOrder = "little",
): Buffer {
  return zipFile([
    { name: "archive/data.pkl", data: pickle(object) },
    { name: "archive/byteorder", data: ascii(byteOrder) },
    ...Object.entries(storages).map(([key, values]) => ({
      name: `archive/data/${key}`,
      data: new Uint8Array(values.slice().buffer),
    })),
    { name: "archive/version", data: ascii("3\n") },
  ]);
}
