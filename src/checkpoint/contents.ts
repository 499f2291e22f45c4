import { HireSnnError } from "../errors";
import type { ExtraObject, ExtraScalar, ExtraValue } from "./checkpoint";
import type { MemoryBudget } from "./memory-budget";
import { NumpyArray } from "./numpy-globals";
import { OpaqueObject, PickleDict, PickleGlobal, PickleSet, type PickleValue } from "./pickle-values";
import { FileTensor, StorageView, UnreadableTensor } from "./stored-tensor";

/** What a checkpoint holds, flattened. Paths are the keys on the way joined by dots. */
export interface Contents {
  readonly tensors: ReadonlyMap<string, FileTensor>;
  readonly unreadable: ReadonlyMap<string, UnreadableTensor>;
  readonly extras: ReadonlyMap<string, ExtraValue>;
  readonly warnings: readonly string[];
}

// Beyond these a file is built to exhaust whoever lists it: Lightning checkpoints are ten levels deep.
const DEEPEST = 200;
const LONGEST_PATH = 4096;
/** A dict of more plain values than this (a vocabulary) is one entry. */
const LONGEST_PLAIN_DICT = 1000;
const MOST_WARNINGS = 10;

// Bytes of memory that an entry takes, in the maps of the checkpoint and in its state dict; its path aside.
const COST_OF_TENSOR = 500;
const COST_OF_EXTRA = 200;
/** Something repeated costs nothing here, but everyone who prints it. */
const COST_OF_ITEM = 8;

/**
 * Lists the tensors and the rest of an unpickled object, through dicts, lists and the state of opaque objects.
 *
 * @param name of the file, for messages
 * @throws HireSnnError CHECKPOINT_CORRUPT if it nests or repeats itself beyond any checkpoint
 */
export function contentsOf(name: string, value: PickleValue, budget: MemoryBudget): Contents {
  const walk = new Walk(name, budget);
  walk.visit("", value);
  return walk;
}

class Walk implements Contents {
  readonly tensors = new Map<string, FileTensor>();
  readonly unreadable = new Map<string, UnreadableTensor>();
  readonly extras = new Map<string, ExtraValue>();
  readonly warnings: string[] = [];
  /** Containers that hold the current one. */
  private readonly open = new Set<PickleValue>();
  /** By list: the cost of listing its items, or undefined if it holds more than plain values. */
  private readonly plainLists = new Map<readonly PickleValue[], number | undefined>();
  /** By dict, whether it is large and holds plain values only. */
  private readonly plainDicts = new Map<PickleDict, boolean>();
  /** By path that occurs several times, the last number given to it. */
  private readonly repeated = new Map<string, number>();

  constructor(
    private readonly name: string,
    private readonly budget: MemoryBudget,
  ) {}

  visit(path: string, value: PickleValue): void {
    if (value instanceof FileTensor) {
      this.charge(COST_OF_TENSOR);
      this.add(this.tensors, path, value);
      return;
    }
    this.charge(COST_OF_EXTRA);
    if (value instanceof UnreadableTensor) {
      this.add(this.unreadable, path, value);
      this.add(this.extras, path, { kind: "tensor", what: value.what });
      return;
    }
    const children = this.childrenOf(value);
    if (children === undefined) {
      this.add(this.extras, path, leaf(value));
      return;
    }

    if (this.open.has(value)) {
      this.add(this.extras, path, { kind: "reference", what: "a reference to what holds it" });
      return;
    }
    if (this.open.size >= DEEPEST) throw this.excess(`more than ${DEEPEST} levels`);
    this.open.add(value);
    for (const [key, child] of children) {
      const step = keyText(key);
      if (path.length + step.length >= LONGEST_PATH)
        throw this.excess(`keys of more than ${LONGEST_PATH} characters`);
      this.visit(path === "" ? step : `${path}.${step}`, child);
    }
    this.open.delete(value);
  }

  private charge(bytes: number): void {
    if (!this.budget.take(bytes)) throw this.excess("far more entries than the file is long");
  }

  private add<T>(map: Map<string, T>, path: string, value: T): void {
    // Together with the key of the state dict, a part of it.
    this.charge(4 * path.length);
    let free = path;
    if (map.has(path)) {
      // Other keys may look like a numbered one, but each number is tried once.
      let count = this.repeated.get(path) ?? 1;
      do free = `${path} (${++count})`;
      while (map.has(free));
      this.repeated.set(path, count);
      if (this.warnings.length < MOST_WARNINGS) {
        this.warnings.push(`Two entries have the path ${JSON.stringify(path)}; one is listed as "${free}".`);
      }
    }
    map.set(free, value);
  }

  private excess(what: string): HireSnnError {
    return new HireSnnError(
      "CHECKPOINT_CORRUPT",
      `${this.name} is refused: its object, once read, holds ${what}, which no checkpoint has.`,
    );
  }

  /** What to look into, or undefined for something that is one entry. */
  private childrenOf(value: PickleValue): Iterable<readonly [PickleValue, PickleValue]> | undefined {
    if (value instanceof PickleDict) {
      return value.size === 0 || this.isPlainDict(value) ? undefined : value.entries();
    }
    if (value instanceof PickleSet) return this.childrenOf(value.items);
    if (Array.isArray(value)) return this.isPlainList(value) ? undefined : value.entries();
    if (value instanceof OpaqueObject) return this.partsOf(value);
    if (typeof value === "string") this.charge(2 * value.length);
    return undefined;
  }

  /** A pickled object's attributes are its state; tensors among them are as good as any. */
  private partsOf({ state, items, entries, args }: OpaqueObject): [PickleValue, PickleValue][] | undefined {
    const parts: [PickleValue, PickleValue][] = [];
    // With __slots__, the state is a pair of dicts.
    for (const dict of Array.isArray(state) && state.length === 2 ? state : [state]) {
      if (dict instanceof PickleDict) this.take(parts, dict.entries());
    }
    if (entries) this.take(parts, entries.entries());
    if (items && !this.isPlainList(items)) this.take(parts, items.entries());
    const holdsMore = args.some(
      (arg) => arg instanceof FileTensor || arg instanceof PickleDict || Array.isArray(arg),
    );
    if (holdsMore && !this.isPlainList(args)) this.take(parts, args.entries());
    return parts.length > 0 ? parts : undefined;
  }

  private take(
    parts: [PickleValue, PickleValue][],
    entries: Iterable<readonly [PickleValue, PickleValue]>,
  ): void {
    for (const [key, value] of entries) {
      this.charge(COST_OF_ITEM);
      // A class is only named again.
      if (!(value instanceof PickleGlobal)) parts.push([key, value]);
    }
  }

  private isPlainList(list: readonly PickleValue[]): boolean {
    if (!this.plainLists.has(list)) {
      let cost: number | undefined = 0;
      for (const item of list) {
        if (!isScalar(item)) {
          cost = undefined;
          break;
        }
        cost += COST_OF_ITEM + (typeof item === "string" ? item.length : 0);
      }
      this.charge(COST_OF_EXTRA);
      this.plainLists.set(list, cost);
    }
    const cost = this.plainLists.get(list);
    if (cost !== undefined) this.charge(cost);
    return cost !== undefined;
  }

  private isPlainDict(dict: PickleDict): boolean {
    if (dict.size <= LONGEST_PLAIN_DICT) return false;
    let plain = this.plainDicts.get(dict);
    if (plain === undefined) {
      plain = true;
      for (const [, value] of dict.entries()) {
        if (!isScalar(value)) {
          plain = false;
          break;
        }
      }
      this.plainDicts.set(dict, plain);
    }
    return plain;
  }
}

function isScalar(value: PickleValue): value is ExtraScalar {
  return value === null || typeof value !== "object";
}

/** @param value with no children */
function leaf(value: PickleValue): ExtraValue {
  if (isScalar(value)) return value;
  // Not copied: a file can name one list any number of times.
  if (Array.isArray(value)) return value as ExtraScalar[];
  if (value instanceof PickleSet) return value.items as ExtraScalar[];
  return objectLeaf(value);
}

function objectLeaf(value: Exclude<PickleValue, ExtraScalar | PickleValue[] | PickleSet>): ExtraObject {
  if (value instanceof Uint8Array) return { kind: "bytes", what: `${value.length} bytes` };
  if (value instanceof PickleDict) {
    return value.size === 0
      ? { kind: "empty", what: "an empty dict" }
      : { kind: "object", what: `a dict of ${value.size} plain values` };
  }
  if (value instanceof NumpyArray) {
    const { dtype, shape } = value;
    return {
      kind: "object",
      what: `numpy.ndarray ${dtype ? `${dtype.kind}${dtype.size}` : ""} [${shape.join(", ")}]`,
    };
  }
  if (value instanceof StorageView)
    return { kind: "object", what: `a storage of ${value.length} ${value.storage.type.name}` };
  if (value instanceof PickleGlobal) return { kind: "object", what: `the name ${value.typeName}` };
  return { kind: "object", what: value.typeName };
}

/** A key as Python's str() has it. */
export function keyText(key: PickleValue): string {
  if (typeof key === "string") return key;
  if (key === null) return "None";
  if (typeof key === "boolean") return key ? "True" : "False";
  if (key instanceof Uint8Array) return Buffer.from(key.subarray(0, LONGEST_PATH)).toString("latin1");
  if (Array.isArray(key)) return `(${key.slice(0, 16).map(shortKeyText).join(", ")})`;
  if (typeof key === "object") return "typeName" in key ? `<${key.typeName}>` : "<set>";
  return String(key);
}

function shortKeyText(key: PickleValue): string {
  if (typeof key === "string") return `'${key.slice(0, 80)}'`;
  return Array.isArray(key) ? "(...)" : keyText(key);
}
