/**
 * What a pickle becomes here. Lists and tuples are both arrays; integers are numbers while they are exact and bigint
 * beyond; Python 2's `str` is text or bytes as the caller chose. Nothing of it can run.
 */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | PickleDict
  | PickleSet
  | PickleObject;

/**
 * An object of a named class, as inert data. Subclasses stand for the classes that a caller's allow-list knows; they
 * take what the pickle does to an object through the three methods; without a method, it is refused.
 */
export abstract class PickleObject {
  /** Full dotted name of the Python class or function. */
  abstract readonly typeName: string;

  /**
   * BUILD.
   *
   * @param charge as a {@link GlobalBuilder}'s
   * @returns whether objects of this class take a state
   */
  setState?(state: PickleValue, charge: (bytes: number) => void): boolean;

  /** APPEND(S) and ADDITEMS. @returns whether objects of this class take items */
  append?(item: PickleValue): boolean;

  /** SETITEM(S). @returns whether objects of this class take items under keys */
  setItem?(key: PickleValue, value: PickleValue): boolean;
}

/** A class or function that a pickle names, as a value: it is a name and never resolved to code. */
export class PickleGlobal extends PickleObject {
  constructor(
    readonly typeName: string,
    /** Makes the inert object of a call. Without one, a call makes an {@link OpaqueObject}. */
    readonly builder: GlobalBuilder | undefined,
  ) {
    super();
  }
}

/**
 * @param args the positional arguments of the call
 * @param position offset of the call in the file, for messages
 * @param charge has to be called with the bytes of memory that the result takes beyond one small object, before it is made;
 *   it throws when the file's budget is spent
 */
export type GlobalBuilder = (
  args: readonly PickleValue[],
  position: number,
  charge: (bytes: number) => void,
) => PickleValue;

/** An object of a class that no allow-list knows: what the pickle says of it, kept unread. */
export class OpaqueObject extends PickleObject {
  state: PickleValue = null;
  items: PickleValue[] | undefined;
  entries: PickleDict | undefined;

  constructor(
    readonly typeName: string,
    readonly args: readonly PickleValue[],
  ) {
    super();
  }

  override setState(state: PickleValue): boolean {
    this.state = state;
    return true;
  }

  override append(item: PickleValue): boolean {
    (this.items ??= []).push(item);
    return true;
  }

  override setItem(key: PickleValue, value: PickleValue): boolean {
    (this.entries ??= new PickleDict()).set(key, value);
    return true;
  }
}

/** A set or frozenset; equal members are not merged. */
export class PickleSet {
  constructor(readonly items: PickleValue[]) {}
}

/**
 * A dict with Python's equality of keys: text, bytes, numbers (True is 1), None, and tuples of these by value, all else
 * by identity. Insertion order is kept.
 */
export class PickleDict {
  /** Attributes that the pickle sets on the dict itself: an OrderedDict's `_metadata` for instance. */
  attributes: PickleValue = null;
  // Most dicts of a hostile file are empty: they must cost little.
  private map: Map<unknown, [PickleValue, PickleValue]> | undefined;

  constructor(readonly typeName: "dict" | "collections.OrderedDict" = "dict") {}

  get size(): number {
    return this.map?.size ?? 0;
  }

  set(key: PickleValue, value: PickleValue): void {
    this.map ??= new Map();
    const identity = identityOf(key);
    const entry = this.map.get(identity);
    if (entry) entry[1] = value;
    else this.map.set(identity, [key, value]);
  }

  get(key: PickleValue): PickleValue | undefined {
    return this.map?.get(identityOf(key))?.[1];
  }

  /** The value under a name that is text, or under the same name as bytes (Python 2's `str`). */
  getNamed(name: string): PickleValue | undefined {
    return this.get(name) ?? this.get(Buffer.from(name, "latin1"));
  }

  entries(): Iterable<readonly [PickleValue, PickleValue]> {
    return this.map?.values() ?? [];
  }
}

const LONGEST_TUPLE_KEY = 32;
/** Levels of tuples within a tuple that is a key. */
const DEEPEST_TUPLE_KEY = 8;
const LONGEST_IDENTITY = 1024;

/**
 * What two keys share exactly if Python holds them equal. Text stands for itself, so that its hash is computed once however
 * many dicts share it; what else has to become text is marked by a leading NUL, and is bounded in length so that a key
 * shared by many dicts cannot cost more than the file is long. Longer byte strings and tuples stand for themselves alone.
 */
function identityOf(key: PickleValue, depth = 0): unknown {
  if (typeof key === "string") {
    return key.startsWith("\0") && key.length <= LONGEST_IDENTITY ? `\0s${key}` : key;
  }
  if (typeof key === "boolean") return Number(key);
  if (key instanceof Uint8Array) {
    return key.length <= LONGEST_IDENTITY ? `\0b${Buffer.from(key).toString("latin1")}` : key;
  }
  if (Array.isArray(key)) return tupleIdentity(key, depth) ?? key;
  return key;
}

/** Bytes that the text takes by which a key is compared, at the worst. */
export function costOfKey(key: PickleValue): number {
  if (key instanceof Uint8Array) return key.length <= LONGEST_IDENTITY ? 2 * key.length + 64 : 0;
  if (!Array.isArray(key)) return 0;
  const identity = tupleIdentity(key, 0);
  return identity === undefined ? 0 : 4 * identity.length + 64;
}

function tupleIdentity(tuple: readonly PickleValue[], depth: number): string | undefined {
  if (tuple.length > LONGEST_TUPLE_KEY || depth >= DEEPEST_TUPLE_KEY) return undefined;
  let identity = "\0t";
  for (const item of tuple) {
    if (typeof item === "string" && item.length > LONGEST_IDENTITY) return undefined;
    const part = identityOf(item, depth + 1);
    // An item that stands for itself alone makes the tuple do so too.
    if (typeof part === "object" && part !== null) return undefined;
    const text = String(part);
    // The kind and length before each part keep ("a", "bc") from ("ab", "c") and 1 from "1".
    identity += `${typeof part === "string" ? "s" : "n"}${text.length}:${text}`;
    if (identity.length > LONGEST_IDENTITY) return undefined;
  }
  return identity;
}
