import { HireSnnError, type ErrorCode } from "../errors";

export interface HeaderTensor {
  readonly name: string;
  /** Offset of its entry in the file, for messages. */
  readonly at: number;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** First byte of its values, counted from the end of the header. */
  readonly begin: number;
  /** The byte after the last. */
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly tensors: readonly HeaderTensor[];
  readonly metadata: ReadonlyMap<string, string> | undefined;
}

/** Offset `at` is in the file. */
export type ChargeHeader = (bytes: number, at: number) => void;

const MOST_DIMENSIONS = 64;
const LONGEST_TEXT = 2 ** 22;
const COST_OF_ENTRY = 300;

/**
 * Parses the header of a safetensors file. It takes the JSON that the format consists of and no other: a general parser would
 * make any number of objects out of a hostile header, and would hide keys that stand there twice.
 *
 * @param start offset of the header in the file, for messages
 * @param charge is called before memory is taken
 * @throws HireSnnError CHECKPOINT_CORRUPT with the offset
 */
export function parseSafetensorsHeader(
  name: string,
  header: Uint8Array,
  start: number,
  charge: ChargeHeader,
): SafetensorsHeader {
  return new HeaderParser(name, header, start, charge).parse();
}

export function refuseHeader(
  name: string,
  at: number,
  expected: string,
  code: ErrorCode = "CHECKPOINT_CORRUPT",
): HireSnnError {
  const what = code === "CHECKPOINT_CORRUPT" ? "is corrupt (a safetensors file)" : "is not read";
  return new HireSnnError(code, `${name} ${what}: at byte ${at}, expected ${expected}.`);
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

class HeaderParser {
  private next = 0;

  constructor(
    private readonly name: string,
    private readonly header: Uint8Array,
    private readonly start: number,
    private readonly charge: ChargeHeader,
  ) {}

  parse(): SafetensorsHeader {
    const tensors: HeaderTensor[] = [];
    const names = new Set<string>();
    let metadata: Map<string, string> | undefined;
    this.object((key, at) => {
      this.charge(COST_OF_ENTRY + 2 * key.length, at);
      if (names.has(key))
        throw this.refuse(at, `each name once, found ${JSON.stringify(key.slice(0, 80))} again`);
      names.add(key);
      if (key === "__metadata__") metadata = this.texts();
      else tensors.push(this.tensor(key, at));
    });
    // The format pads its header with spaces.
    while (this.header[this.next] === 0x20) this.next++;
    if (this.next < this.header.length) throw this.refuse(this.at, "the end of the header or spaces");
    return { tensors, metadata };
  }

  private get at(): number {
    return this.start + this.next;
  }

  private refuse(at: number, expected: string): HireSnnError {
    return refuseHeader(this.name, at, expected);
  }

  private tensor(name: string, at: number): HeaderTensor {
    let dtype: string | undefined;
    let shape: number[] | undefined;
    let offsets: number[] | undefined;
    this.object((key, keyAt) => {
      if (key === "dtype" && dtype === undefined) dtype = this.text();
      else if (key === "shape" && !shape) shape = this.numbers(MOST_DIMENSIONS);
      else if (key === "data_offsets" && !offsets) offsets = this.numbers(2);
      else throw this.refuse(keyAt, '"dtype", "shape" and "data_offsets", each once');
    });
    const [begin, end] = offsets ?? [];
    if (dtype === undefined || !shape || begin === undefined || end === undefined || end < begin)
      throw this.refuse(at, 'a tensor with its "dtype", "shape" and two "data_offsets" in order');
    return { name, at, dtype, shape, begin, end };
  }

  private texts(): Map<string, string> {
    const texts = new Map<string, string>();
    this.object((key, at) => {
      if (texts.has(key)) throw this.refuse(at, "each key of the metadata once");
      const text = this.text();
      this.charge(COST_OF_ENTRY + 2 * (key.length + text.length), at);
      texts.set(key, text);
    });
    return texts;
  }

  /** @param entry is called behind each key and its colon, and has to take the value */
  private object(entry: (key: string, at: number) => void): void {
    this.take("{", "an object");
    if (this.taken("}")) return;
    do {
      this.skipSpace();
      const { at } = this;
      const key = this.text();
      this.take(":", 'a ":" behind a key');
      entry(key, at);
    } while (this.taken(","));
    this.take("}", 'a "," or the end of the object');
  }

  private numbers(most: number): number[] {
    const numbers: number[] = [];
    this.take("[", "a list of numbers");
    if (this.taken("]")) return numbers;
    do {
      if (numbers.length === most) throw this.refuse(this.at, `at most ${most} numbers`);
      numbers.push(this.number());
    } while (this.taken(","));
    this.take("]", 'a "," or the end of the list');
    return numbers;
  }

  private number(): number {
    this.skipSpace();
    const { at } = this;
    const from = this.next;
    while (isDigit(this.header[this.next]) && this.next - from < 17) this.next++;
    const digits = Buffer.from(this.header.subarray(from, this.next)).toString("latin1");
    const value = Number(digits);
    if (!/^(0|[1-9]\d*)$/.test(digits) || !Number.isSafeInteger(value)) {
      throw this.refuse(at, `a whole number of at most ${Number.MAX_SAFE_INTEGER}`);
    }
    return value;
  }

  private text(): string {
    this.take('"', "a text in quotes");
    const from = this.next - 1;
    const { at } = this;
    for (; this.next < this.header.length; this.next++) {
      const byte = this.header[this.next];
      if (byte === 0x22) break;
      if (byte === 0x5c) this.next++;
    }
    if (this.next >= this.header.length) throw this.refuse(at, "the end of the text that starts here");
    this.next++;
    const length = this.next - from;
    if (length > LONGEST_TEXT)
      throw this.refuse(at, `a text of at most ${LONGEST_TEXT} bytes, found ${length}`);
    try {
      // One text: quotes, escapes and control characters are JSON's own business.
      return JSON.parse(utf8.decode(this.header.subarray(from, this.next))) as string;
    } catch {
      throw this.refuse(at, "a text of JSON in UTF-8");
    }
  }

  private taken(character: string): boolean {
    this.skipSpace();
    if (this.header[this.next] !== character.charCodeAt(0)) return false;
    this.next++;
    return true;
  }

  private take(character: string, expected: string): void {
    if (!this.taken(character)) throw this.refuse(this.at, expected);
  }

  private skipSpace(): void {
    for (;;) {
      const byte = this.header[this.next];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
      this.next++;
    }
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}
