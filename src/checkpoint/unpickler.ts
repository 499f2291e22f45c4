import { HireSnnError } from "../errors";
import type { ByteReader } from "./byte-reader";
import { MemoryBudget } from "./memory-budget";
import { op } from "./pickle-opcodes";
import {
  OpaqueObject,
  PickleDict,
  PickleGlobal,
  PickleObject,
  PickleSet,
  costOfKey,
  type GlobalBuilder,
  type PickleValue,
} from "./pickle-values";
import { unsafePartOf } from "./unsafe-globals";

export interface UnpickleOptions {
  /**
   * The allow-list: full dotted names, each with what a call of it makes, or "name" for a class that is only ever referred
   * to. A global outside it is never resolved; objects made of it are {@link OpaqueObject}s.
   */
  readonly globals: ReadonlyMap<string, GlobalBuilder | "name">;
  /** Gives the object of a persistent id. Without it, a persistent id is an error. */
  readonly persistentLoad?: ((id: PickleValue, position: number) => PickleValue) | undefined;
  /**
   * What Python 2's `str` becomes: "bytes" always a Uint8Array; "text" a string where the bytes are UTF-8, else a
   * Uint8Array. "text" by default.
   */
  readonly byteStrings?: "text" | "bytes" | undefined;
  /** What all pickles of one file may take together. By default each has a budget of its own. */
  readonly budget?: MemoryBudget | undefined;
}

export interface Unpickled {
  readonly value: PickleValue;
  /** The globals outside the allow-list that the pickle names, in order of appearance. */
  readonly opaqueGlobals: readonly string[];
}

/**
 * Reads one pickle (protocols 0 to 5) from the reader's position; afterwards the reader stands behind its STOP. Nothing is
 * imported or called: globals are names, and what the pickle does with them makes inert data.
 *
 * @throws HireSnnError CHECKPOINT_CORRUPT with the offset for anything malformed, truncated or too large;
 *   CHECKPOINT_UNSAFE for a global that runs or reaches code; CHECKPOINT_FORMAT for a newer protocol
 */
export function unpickle(reader: ByteReader, options: UnpickleOptions): Unpickled {
  return new Unpickler(reader, options).run();
}

const NEWEST_PROTOCOL = 5;
const LONGEST_NAME = 1 << 12;
/** Digits or bytes of an integer; Python's own limit on digits is 4300. */
const LONGEST_INTEGER = 4300;
/** A text of this length takes up to four times its bytes while it is decoded: only blocks of bytes may be as long as the file. */
const LONGEST_TEXT = 2 ** 22;

// What V8 takes for a value at the worst. Arrays and maps that grow are copied into larger ones, and several of the old ones may
// be there still.
const COST_OF_SLOT = 36;
const COST_OF_NUMBER = 16;
const COST_OF_TEXT = 32;
const COST_OF_ARRAY = 64;
/** An array that is pushed to begins with room for 17. */
const COST_OF_FIRST_ITEM = 200;
const COST_OF_OBJECT = 96;
const COST_OF_BYTES = 320;
/** Of a memo that is not the next one in order. */
const COST_OF_MEMO = 88;
const COST_OF_ENTRY = 150;
const COST_OF_FIRST_ENTRY = 256;
/** Of a storage that is named for the first time, with its name, and the reference to it. */
const COST_OF_STORAGE = 400;

class Unpickler {
  private readonly stack: PickleValue[] = [];
  /** Height of the stack at each open MARK. */
  private readonly marks: number[] = [];
  /** What pickles remember in order, as Python does, and what they remember under any other number. */
  private readonly memo: PickleValue[] = [];
  private readonly sparseMemo = new Map<number, PickleValue>();
  private readonly opaqueGlobals = new Set<string>();
  private readonly globals = new Map<string, PickleGlobal>();
  private readonly budget: MemoryBudget;
  private highestStack = 0;
  private mostMarks = 0;
  private mostPopped = 0;
  /** Offset of the current opcode. */
  private position = 0;

  constructor(
    private readonly reader: ByteReader,
    private readonly options: UnpickleOptions,
  ) {
    this.budget = options.budget ?? new MemoryBudget(reader.source);
  }

  run(): Unpickled {
    for (;;) {
      this.position = this.reader.position;
      const code = this.reader.uint8();
      if (code === op.STOP) {
        const value = this.pop();
        if (this.stack.length > 0 || this.marks.length > 0) {
          throw this.corrupt(
            `expected one value at the end, found ${this.stack.length + 1} and ${this.marks.length} marks`,
          );
        }
        return { value, opaqueGlobals: [...this.opaqueGlobals] };
      }
      this.step(code);
    }
  }

  private step(code: number): void {
    const { reader } = this;
    switch (code) {
      case op.PROTO: {
        const protocol = reader.uint8();
        if (protocol > NEWEST_PROTOCOL) {
          throw new HireSnnError(
            "CHECKPOINT_FORMAT",
            `${reader.source.name}: expected a pickle of protocol 0 to ${NEWEST_PROTOCOL} at byte ${this.position}, ` +
              `found protocol ${protocol}.`,
          );
        }
        return;
      }
      case op.FRAME: {
        const length = reader.uint64();
        if (length > reader.remaining) {
          throw this.corrupt(`expected a frame of at most ${reader.remaining} bytes, found ${length}`);
        }
        return;
      }

      // Stack and memo
      case op.MARK:
        this.marks.push(this.stack.length);
        if (this.marks.length > this.mostMarks) {
          this.mostMarks = this.marks.length;
          this.charge(COST_OF_SLOT);
        }
        return;
      case op.POP:
        if (this.marks.at(-1) === this.stack.length) this.marks.pop();
        else this.pop();
        return;
      case op.POP_MARK:
        this.popToMark();
        return;
      case op.DUP: {
        this.push(this.top(), 0);
        return;
      }
      case op.PUT: {
        this.remember(this.decimal(), this.top());
        return;
      }
      case op.BINPUT: {
        this.remember(reader.uint8(), this.top());
        return;
      }
      case op.LONG_BINPUT: {
        this.remember(reader.uint32(), this.top());
        return;
      }
      case op.MEMOIZE: {
        this.remember(this.memo.length + this.sparseMemo.size, this.top());
        return;
      }
      case op.GET: {
        this.recall(this.decimal());
        return;
      }
      case op.BINGET: {
        this.recall(reader.uint8());
        return;
      }
      case op.LONG_BINGET: {
        this.recall(reader.uint32());
        return;
      }

      // Constants
      case op.NONE: {
        this.push(null, 0);
        return;
      }
      case op.NEWTRUE: {
        this.push(true, 0);
        return;
      }
      case op.NEWFALSE: {
        this.push(false, 0);
        return;
      }
      case op.INT: {
        const text = this.line(LONGEST_INTEGER);
        // Protocol 0 and 1 write booleans as integers with a leading zero.
        if (text === "00" || text === "01") {
          this.push(text === "01", 0);
          return;
        }
        this.push(this.integer(text), COST_OF_NUMBER);
        return;
      }
      case op.LONG: {
        this.push(this.integer(this.line(LONGEST_INTEGER).replace(/L$/, "")), COST_OF_NUMBER);
        return;
      }
      case op.BININT: {
        this.push(reader.int32(), 0);
        return;
      }
      case op.BININT1: {
        this.push(reader.uint8(), 0);
        return;
      }
      case op.BININT2: {
        this.push(reader.uint16(), 0);
        return;
      }
      case op.LONG1: {
        this.pushLong(reader.uint8());
        return;
      }
      case op.LONG4: {
        this.pushLong(reader.uint32());
        return;
      }
      case op.FLOAT: {
        this.push(this.float(this.line(LONGEST_INTEGER)), COST_OF_NUMBER);
        return;
      }
      case op.BINFLOAT: {
        this.push(reader.float64BigEndian(), COST_OF_NUMBER);
        return;
      }

      // Strings
      case op.STRING: {
        this.pushByteString(this.quoted());
        return;
      }
      case op.BINSTRING: {
        this.pushByteString(this.block(reader.uint32()));
        return;
      }
      case op.SHORT_BINSTRING: {
        this.pushByteString(this.block(reader.uint8()));
        return;
      }
      case op.UNICODE: {
        const text = rawUnicodeEscape(this.longLine());
        this.push(text, COST_OF_TEXT + 2 * text.length);
        return;
      }
      case op.BINUNICODE: {
        this.push(this.text(reader.uint32()), 0);
        return;
      }
      case op.SHORT_BINUNICODE: {
        this.push(this.text(reader.uint8()), 0);
        return;
      }
      case op.BINUNICODE8: {
        this.push(this.text(reader.uint64()), 0);
        return;
      }
      case op.BINBYTES: {
        this.push(this.block(reader.uint32()), 0);
        return;
      }
      case op.SHORT_BINBYTES: {
        this.push(this.block(reader.uint8()), 0);
        return;
      }
      case op.BINBYTES8:
      case op.BYTEARRAY8: {
        this.push(this.block(reader.uint64()), 0);
        return;
      }

      // Containers
      case op.EMPTY_TUPLE:
      case op.EMPTY_LIST: {
        this.push([], COST_OF_ARRAY);
        return;
      }
      case op.TUPLE1: {
        this.pushTuple(1);
        return;
      }
      case op.TUPLE2: {
        this.pushTuple(2);
        return;
      }
      case op.TUPLE3: {
        this.pushTuple(3);
        return;
      }
      case op.TUPLE:
      case op.LIST: {
        this.pushArray(this.popToMark());
        return;
      }
      case op.EMPTY_DICT: {
        this.push(new PickleDict(), COST_OF_OBJECT);
        return;
      }
      case op.DICT: {
        const items = this.popToMark();
        const dict = new PickleDict();
        this.setItems(dict, items);
        this.push(dict, COST_OF_OBJECT);
        return;
      }
      case op.EMPTY_SET: {
        this.push(new PickleSet([]), COST_OF_OBJECT + COST_OF_ARRAY);
        return;
      }
      case op.FROZENSET: {
        const items = this.popToMark();
        this.push(new PickleSet(items), COST_OF_OBJECT + COST_OF_ARRAY + 8 * items.length);
        return;
      }
      case op.APPEND: {
        const item = this.pop();
        this.append(this.top(), [item]);
        return;
      }
      case op.APPENDS:
      case op.ADDITEMS: {
        const items = this.popToMark();
        this.append(this.top(), items);
        return;
      }
      case op.SETITEM: {
        const value = this.pop();
        const key = this.pop();
        this.setItems(this.top(), [key, value]);
        return;
      }
      case op.SETITEMS: {
        const items = this.popToMark();
        this.setItems(this.top(), items);
        return;
      }

      // Objects of named classes
      case op.GLOBAL: {
        const module = this.line(LONGEST_NAME);
        this.pushGlobal(module, this.line(LONGEST_NAME));
        return;
      }
      case op.STACK_GLOBAL: {
        const name = this.pop();
        const module = this.pop();
        if (typeof name !== "string" || typeof module !== "string") {
          throw this.corrupt("expected the module and name of a global as text, found other values");
        }
        this.pushGlobal(module, name);
        return;
      }
      case op.INST: {
        const module = this.line(LONGEST_NAME);
        this.pushGlobal(module, this.line(LONGEST_NAME));
        const type = this.pop();
        this.call(type, this.popToMark());
        return;
      }
      case op.OBJ: {
        const [type, ...args] = this.popToMark();
        if (type === undefined)
          throw this.corrupt("expected a class behind the mark of an object, found nothing");
        this.call(type, args);
        return;
      }
      case op.REDUCE:
      case op.NEWOBJ: {
        const args = this.pop();
        this.call(this.pop(), args);
        return;
      }
      case op.NEWOBJ_EX: {
        const keywords = this.pop();
        const args = this.pop();
        const type = this.pop();
        if (!(keywords instanceof PickleDict)) throw this.corrupt("expected keyword arguments as a dict");
        // No class of an allow-list takes keywords, so they are passed on as one more argument.
        if (keywords.size > 0 && Array.isArray(args)) {
          this.call(type, [...args, keywords]);
          return;
        }
        this.call(type, args);
        return;
      }
      case op.BUILD: {
        const state = this.pop();
        this.build(this.top(), state);
        return;
      }

      case op.PERSID: {
        this.pushPersistent(this.line(LONGEST_NAME));
        return;
      }
      case op.BINPERSID: {
        this.pushPersistent(this.pop());
        return;
      }

      case op.EXT1:
      case op.EXT2:
      case op.EXT4:
        throw new HireSnnError(
          "CHECKPOINT_UNSAFE",
          `${reader.source.name} is refused: at byte ${this.position} it reaches code through the extension registry of ` +
            "Python's copyreg, which no checkpoint needs. Nothing was run.",
        );
      case op.NEXT_BUFFER:
      case op.READONLY_BUFFER:
        throw this.corrupt("expected all data in the pickle, found a reference to a buffer outside it");
      default:
        throw this.corrupt(
          `expected a pickle instruction, found byte 0x${code.toString(16).padStart(2, "0")}`,
        );
    }
  }

  private corrupt(problem: string): HireSnnError {
    return new HireSnnError(
      "CHECKPOINT_CORRUPT",
      `${this.reader.source.name} is corrupt: at byte ${this.position}, ${problem}.`,
    );
  }

  private readonly charge = (bytes: number): void => {
    if (!this.budget.take(bytes)) {
      throw this.corrupt("the objects of the pickle take far more memory than the file is long");
    }
  };

  /** @param cost of the value itself; its place on the stack is charged where the stack grows higher than before */
  private push(value: PickleValue, cost: number): void {
    this.stack.push(value);
    if (this.stack.length > this.highestStack) {
      this.highestStack = this.stack.length;
      this.charge(cost + COST_OF_SLOT);
    } else if (cost > 0) {
      this.charge(cost);
    }
  }

  /** The lowest height that may be popped: values below an open MARK are out of reach. */
  private get floor(): number {
    return this.marks.at(-1) ?? 0;
  }

  private pop(): PickleValue {
    if (this.stack.length <= this.floor) throw this.corrupt("expected a value on the stack, found none");
    return this.stack.pop() as PickleValue;
  }

  private top(): PickleValue {
    if (this.stack.length <= this.floor) throw this.corrupt("expected a value on the stack, found none");
    return this.stack.at(-1) as PickleValue;
  }

  private popToMark(): PickleValue[] {
    const mark = this.marks.pop();
    if (mark === undefined) throw this.corrupt("expected an open mark, found none");
    const count = this.stack.length - mark;
    if (count > this.mostPopped) {
      this.charge(8 * (count - this.mostPopped));
      this.mostPopped = count;
    }
    return this.stack.splice(mark);
  }

  private remember(index: number, value: PickleValue): void {
    if (index < this.memo.length) {
      this.memo[index] = value;
    } else if (this.sparseMemo.has(index)) {
      this.sparseMemo.set(index, value);
    } else if (index === this.memo.length) {
      this.charge(COST_OF_SLOT);
      this.memo.push(value);
    } else {
      this.charge(COST_OF_MEMO);
      this.sparseMemo.set(index, value);
    }
  }

  private recall(index: number): void {
    const value = index < this.memo.length ? this.memo[index] : this.sparseMemo.get(index);
    if (value === undefined) throw this.corrupt(`expected a value remembered as ${index}, found none`);
    this.push(value, 0);
  }

  private line(longest: number): string {
    return Buffer.from(this.reader.line(longest)).toString("utf8");
  }

  /** A line as long as text may be. */
  private longLine(): Uint8Array {
    return this.reader.line(LONGEST_TEXT);
  }

  private decimal(): number {
    const text = this.line(LONGEST_INTEGER);
    if (!/^\d{1,15}$/.test(text)) throw this.corrupt(`expected a number, found ${quote(text)}`);
    return Number(text);
  }

  private integer(text: string): number | bigint {
    const digits = text.trim();
    if (!/^[+-]?\d+$/.test(digits)) throw this.corrupt(`expected an integer, found ${quote(text)}`);
    const value = Number(digits);
    return Number.isSafeInteger(value) ? value : BigInt(digits.replace(/^\+/, ""));
  }

  private float(text: string): number {
    const word = text.trim().toLowerCase();
    if (/^[+-]?(inf|infinity)$/.test(word)) return word.startsWith("-") ? -Infinity : Infinity;
    if (/^[+-]?nan$/.test(word)) return NaN;
    if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/.test(word)) {
      throw this.corrupt(`expected a floating-point number, found ${quote(text)}`);
    }
    return Number(word);
  }

  /** Two's complement, little endian. */
  private pushLong(length: number): void {
    if (length > LONGEST_INTEGER)
      throw this.corrupt(`expected an integer of at most ${LONGEST_INTEGER} bytes, found ${length}`);
    const bytes = this.reader.bytes(length);
    if (length === 0) {
      this.push(0, 0);
      return;
    }
    const magnitude = BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`);
    const value = BigInt.asIntN(8 * length, magnitude);
    const exact = value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER);
    this.push(exact ? Number(value) : value, 2 * COST_OF_NUMBER + length);
  }

  private block(length: number): Uint8Array {
    this.checkLength(length);
    this.charge(COST_OF_BYTES + length);
    return this.reader.bytes(length);
  }

  private text(length: number): string {
    this.checkLength(length);
    if (length > LONGEST_TEXT)
      throw this.corrupt(`expected a text of at most ${LONGEST_TEXT} bytes, found ${length}`);
    this.charge(COST_OF_TEXT + length);
    const text = this.reader.text(length, "utf8");
    // Anything beyond ASCII may take two bytes a character.
    if (text.length !== length) this.charge(text.length);
    return text;
  }

  private checkLength(length: number): void {
    if (length > this.reader.remaining) {
      throw this.corrupt(
        `expected at most the ${this.reader.remaining} bytes that are left, found a length of ${length}`,
      );
    }
  }

  /** Protocol 0's `str`: a quoted line with Python's escapes. */
  private quoted(): Uint8Array {
    const line = Buffer.from(this.longLine()).toString("latin1").trim();
    const mark = line[0];
    if (line.length < 2 || (mark !== "'" && mark !== '"') || line.at(-1) !== mark) {
      throw this.corrupt(`expected a string in quotes, found ${quote(line)}`);
    }
    const bytes = unescaped(line.slice(1, -1));
    this.charge(COST_OF_BYTES + bytes.length);
    return bytes;
  }

  private pushByteString(bytes: Uint8Array): void {
    if (this.options.byteStrings === "bytes") {
      this.push(bytes, 0);
      return;
    }
    this.push(textIfUtf8(bytes), COST_OF_TEXT + bytes.length);
  }

  private pushTuple(length: number): void {
    if (this.stack.length - this.floor < length)
      throw this.corrupt(`expected ${length} values on the stack for a tuple`);
    this.pushArray(this.stack.splice(-length));
  }

  private pushArray(items: PickleValue[]): void {
    this.push(items, COST_OF_ARRAY + 8 * items.length);
  }

  private append(target: PickleValue, items: readonly PickleValue[]): void {
    const begun = Array.isArray(target) && target.length > 0;
    this.charge((begun ? 0 : COST_OF_FIRST_ITEM) + COST_OF_SLOT * items.length);
    if (Array.isArray(target)) {
      // A spread of a long array would overflow the call stack.
      for (const item of items) target.push(item);
    } else if (target instanceof PickleSet) {
      for (const item of items) target.items.push(item);
    } else {
      const taken = target instanceof PickleObject && items.every((item) => target.append?.(item));
      if (!taken) throw this.corrupt(`expected a list to append to, found ${describe(target)}`);
    }
  }

  private setItems(target: PickleValue, items: readonly PickleValue[]): void {
    if (items.length % 2 !== 0)
      throw this.corrupt("expected keys and values in pairs, found a key without a value");
    const begun = target instanceof PickleDict && target.size > 0;
    this.charge((begun ? 0 : COST_OF_FIRST_ENTRY) + (COST_OF_ENTRY * items.length) / 2);
    for (let index = 0; index < items.length; index += 2) {
      const key = items[index] as PickleValue;
      const value = items[index + 1] as PickleValue;
      // Keys that are no text are compared by a text made for them.
      if (typeof key === "object" && key !== null) this.charge(costOfKey(key));
      if (target instanceof PickleDict) target.set(key, value);
      else if (!(target instanceof PickleObject && target.setItem?.(key, value))) {
        throw this.corrupt(`expected a dict to set items of, found ${describe(target)}`);
      }
    }
  }

  private pushGlobal(module: string, name: string): void {
    const unsafe = unsafePartOf(module, name);
    const fullName = `${module}.${name}`;
    if (unsafe !== undefined) {
      throw new HireSnnError(
        "CHECKPOINT_UNSAFE",
        `${this.reader.source.name} is refused: at byte ${this.position} it names ${quote(fullName)}` +
          `${unsafe === fullName ? "" : ` (${unsafe})`}, which runs or reaches code. Nothing was run. ` +
          "Get the weights as a state dict from whoever made the file.",
      );
    }
    let global = this.globals.get(fullName);
    if (!global) {
      const entry = this.options.globals.get(fullName);
      if (entry === undefined) this.opaqueGlobals.add(fullName);
      global = new PickleGlobal(fullName, typeof entry === "function" ? entry : undefined);
      this.globals.set(fullName, global);
      this.charge(COST_OF_OBJECT + 2 * COST_OF_ENTRY + 4 * fullName.length);
    }
    this.push(global, 0);
  }

  private call(type: PickleValue, args: PickleValue): void {
    if (!Array.isArray(args))
      throw this.corrupt(`expected the arguments of a call as a tuple, found ${describe(args)}`);
    if (type instanceof PickleGlobal && type.builder) {
      this.push(type.builder(args, this.position, this.charge), COST_OF_OBJECT);
      return;
    }
    if (!(type instanceof PickleObject))
      throw this.corrupt(`expected a class to make an object of, found ${describe(type)}`);
    // What an opaque object would be when it is called is unknown, and stays so.
    this.push(new OpaqueObject(type.typeName, args), COST_OF_OBJECT);
  }

  private build(target: PickleValue, state: PickleValue): void {
    if (target instanceof PickleDict) target.attributes = state;
    else if (!(target instanceof PickleObject && target.setState?.(state, this.charge))) {
      throw this.corrupt(`expected an object that takes a state, found ${describe(target)}`);
    }
  }

  private pushPersistent(id: PickleValue): void {
    const { persistentLoad } = this.options;
    if (!persistentLoad) throw this.corrupt("expected no persistent id, found one");
    this.push(persistentLoad(id, this.position), COST_OF_STORAGE);
  }
}

/** What a message calls a value. */
export function describe(value: PickleValue): string {
  if (value === null) return "None";
  if (Array.isArray(value)) return `a list or tuple of ${value.length}`;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (value instanceof PickleDict) return `a dict of ${value.size}`;
  if (value instanceof PickleSet) return `a set of ${value.items.length}`;
  if (value instanceof PickleGlobal) return `the name ${quote(value.typeName)}`;
  if (value instanceof PickleObject) return `an object of ${quote(value.typeName)}`;
  if (typeof value === "string") return `the text ${quote(value)}`;
  return String(value).slice(0, 40);
}

/** Text from a file for a message: in quotes, shortened, without control characters. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function textIfUtf8(bytes: Uint8Array): string | Uint8Array {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return bytes;
  }
}

const SIMPLE_ESCAPES: Readonly<Record<string, number>> = {
  "\\": 0x5c,
  "'": 0x27,
  '"': 0x22,
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
};

/** The bytes of a Python 2 string literal's inside; an unknown escape stands for itself, as in Python. */
function unescaped(literal: string): Uint8Array {
  const bytes = Buffer.allocUnsafe(literal.length);
  let length = 0;
  for (let index = 0; index < literal.length; index++) {
    const rest = literal[index] === "\\" ? literal.slice(index + 1, index + 4) : "";
    const simple = SIMPLE_ESCAPES[rest[0] ?? ""];
    const numeric = /^(?:x([0-9a-fA-F]{2})|([0-7]{1,3}))/.exec(rest);
    if (simple !== undefined) {
      bytes[length++] = simple;
      index += 1;
    } else if (numeric) {
      const [, hexadecimal, octal = ""] = numeric;
      bytes[length++] = hexadecimal !== undefined ? parseInt(hexadecimal, 16) : parseInt(octal, 8);
      index += numeric[0].length;
    } else {
      bytes[length++] = literal.charCodeAt(index);
    }
  }
  return Uint8Array.from(bytes.subarray(0, length));
}

/** Protocol 0's text: latin-1 with \uXXXX and \UXXXXXXXX for all else. */
function rawUnicodeEscape(line: Uint8Array): string {
  return Buffer.from(line)
    .toString("latin1")
    .replace(
      /\\u([0-9a-fA-F]{4})|\\U(000[0-9a-fA-F]{5}|0010[0-9a-fA-F]{4})/g,
      (_, short: string | undefined, long: string) => String.fromCodePoint(parseInt(short ?? long, 16)),
    );
}
