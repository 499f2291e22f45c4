import { HireSnnError } from "../errors";
import { storageNames } from "./dtypes";
import { op } from "./pickle-opcodes";
import { OrderedMap, TensorToWrite, type WritableValue } from "./writable";

const PROTOCOL = 2;
const DEEPEST = 200;

/** A storage that a pickle refers to, in the order of its first appearance. */
export interface StorageToWrite {
  readonly key: string;
  readonly tensor: TensorToWrite;
}

/**
 * Writes one pickle of protocol 2, the newest that Python 2 and the first versions of PyTorch read. Tensors become
 * references to storages of their own, on the CPU.
 *
 * @param legacy whether references have the sixth item of the legacy form
 * @throws HireSnnError INVALID_ARGUMENT for values that nest too deeply or are no such value
 */
export function writePickle(
  value: WritableValue,
  legacy = false,
): { pickle: Buffer; storages: readonly StorageToWrite[] } {
  const writer = new PickleWriter(legacy);
  writer.code(op.PROTO, PROTOCOL);
  writer.value(value);
  writer.code(op.STOP);
  return { pickle: Buffer.concat(writer.parts), storages: [...writer.storages.values()] };
}

class PickleWriter {
  readonly parts: Uint8Array[] = [];
  readonly storages = new Map<unknown, StorageToWrite>();
  private depth = 0;

  constructor(private readonly legacy: boolean) {}

  code(...bytes: number[]): void {
    this.parts.push(Uint8Array.from(bytes));
  }

  value(value: WritableValue): void {
    if (++this.depth > DEEPEST) {
      throw new HireSnnError(
        "INVALID_ARGUMENT",
        `Expected a value that nests at most ${DEEPEST} levels deep, found a deeper one, or one that holds itself.`,
      );
    }
    if (value === null) this.code(op.NONE);
    else if (typeof value === "boolean") this.code(value ? op.NEWTRUE : op.NEWFALSE);
    else if (typeof value === "number") this.number(value);
    else if (typeof value === "bigint") this.integer(value);
    else if (typeof value === "string") this.text(value);
    else if (value instanceof TensorToWrite) this.tensor(value);
    else if (value instanceof Map) this.map(value as ReadonlyMap<string | number, WritableValue>);
    else if (Array.isArray(value)) this.list(value as readonly WritableValue[]);
    else
      throw new HireSnnError(
        "INVALID_ARGUMENT",
        "Expected a plain value, a list, a Map or a tensor to write.",
      );
    this.depth--;
  }

  private number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      this.integer(BigInt(value));
      return;
    }
    const bytes = Buffer.alloc(9, op.BINFLOAT);
    bytes.writeDoubleBE(value, 1);
    this.parts.push(bytes);
  }

  private integer(value: bigint): void {
    if (value >= -(2n ** 31n) && value < 2n ** 31n) {
      const bytes = Buffer.alloc(5, op.BININT);
      bytes.writeInt32LE(Number(value), 1);
      this.parts.push(bytes);
      return;
    }
    // Two's complement in as few bytes as hold the sign, too.
    const bits = (value < 0n ? ~value : value).toString(2).length;
    const length = Math.floor(bits / 8) + 1;
    const hex = BigInt.asUintN(8 * length, value)
      .toString(16)
      .padStart(2 * length, "0");
    if (length < 256) this.code(op.LONG1, length);
    else this.parts.push(withUint32(op.LONG4, length));
    this.parts.push(Buffer.from(hex, "hex").reverse());
  }

  private text(text: string): void {
    const bytes = Buffer.from(text);
    this.parts.push(withUint32(op.BINUNICODE, bytes.length), bytes);
  }

  private global(module: string, name: string): void {
    this.parts.push(Buffer.from(`c${module}\n${name}\n`));
  }

  private list(items: readonly WritableValue[]): void {
    this.code(op.EMPTY_LIST);
    if (items.length === 0) return;
    this.code(op.MARK);
    for (const item of items) this.value(item);
    this.code(op.APPENDS);
  }

  private tuple(items: readonly WritableValue[]): void {
    this.code(op.MARK);
    for (const item of items) this.value(item);
    this.code(op.TUPLE);
  }

  private map(map: ReadonlyMap<string | number, WritableValue>): void {
    if (map instanceof OrderedMap) this.emptyOrderedDict();
    else this.code(op.EMPTY_DICT);
    if (map.size > 0) {
      this.code(op.MARK);
      for (const [key, value] of map) {
        this.value(key);
        this.value(value);
      }
      this.code(op.SETITEMS);
    }
    if (map instanceof OrderedMap && map.attributes) {
      this.value(map.attributes);
      this.code(op.BUILD);
    }
  }

  private emptyOrderedDict(): void {
    this.global("collections", "OrderedDict");
    this.code(op.EMPTY_TUPLE, op.REDUCE);
  }

  /** _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks) */
  private tensor(tensor: TensorToWrite): void {
    const { shape } = tensor;
    this.global("torch._utils", "_rebuild_tensor_v2");
    this.code(op.MARK);
    this.storage(tensor);
    this.number(0);
    this.tuple(shape);
    this.tuple(shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1)));
    this.code(op.NEWFALSE);
    this.emptyOrderedDict();
    this.code(op.TUPLE, op.REDUCE);
  }

  /** The persistent id ("storage", class, key, device, elements), in the legacy form with None for "no view" at the end. */
  private storage(tensor: TensorToWrite): void {
    let storage = this.storages.get(tensor.identity);
    if (!storage) {
      storage = { key: String(this.storages.size), tensor };
      this.storages.set(tensor.identity, storage);
    }
    this.code(op.MARK);
    this.text("storage");
    this.global("torch", storageNames[tensor.dtype]);
    this.text(storage.key);
    this.text("cpu");
    this.number(tensor.length);
    if (this.legacy) this.code(op.NONE);
    this.code(op.TUPLE, op.BINPERSID);
  }
}

function withUint32(code: number, value: number): Buffer {
  const bytes = Buffer.alloc(5, code);
  bytes.writeUInt32LE(value, 1);
  return bytes;
}
