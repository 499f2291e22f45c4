import { HireSnnError } from "../errors";
import type { ExtraObject, ExtraScalar, ExtraValue } from "./checkpoint";
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

// Beyond these a file is built to exhaust whoever lists it: Lightning checkpoints have tens of thousands of entries,
// ten levels deep.
const DEEPEST = 200;
const MOST_ENTRIES = 300_000;
const LONGEST_PATH = 4096;
const MOST_PATH_CHARACTERS = 2 ** 25;

/**
 * Lists the tensors and the rest of an unpickled object, through dicts, lists and the state of opaque objects.
 *
 * @param name of the file, for messages
 * @throws HireSnnError CHECKPOINT_CORRUPT if it nests or repeats itself beyond any checkpoint
 */
export function contentsOf(name: string, value: PickleValue): Contents {
  const walk = new Walk(name);
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
  private entries = 0;
  private characters = 0;

  constructor(private readonly name: string) {}

  visit(path: string, value: PickleValue): void {
    if (++this.entries > MOST_ENTRIES) throw this.excess(`more than ${MOST_ENTRIES} entries`);
    if (value instanceof FileTensor) {
      this.add(this.tensors, path, value);
      return;
    }
    if (value instanceof UnreadableTensor) {
      this.add(this.unreadable, path, value);
      this.add(this.extras, path, { kind: "tensor", what: value.what });
      return;
    }
    const children = childrenOf(value);
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

  private add<T>(map: Map<string, T>, path: string, value: T): void {
    this.characters += path.length;
    if (this.characters > MOST_PATH_CHARACTERS)
      throw this.excess(`keys of ${MOST_PATH_CHARACTERS} characters together`);
    let free = path;
    for (let count = 2; map.has(free); count++) free = `${path} (${count})`;
    if (free !== path)
      this.warnings.push(`Two entries have the path ${JSON.stringify(path)}; one is listed as "${free}".`);
    map.set(free, value);
  }

  private excess(what: string): HireSnnError {
    return new HireSnnError(
      "CHECKPOINT_CORRUPT",
      `${this.name} is refused: it holds ${what}, which no checkpoint has.`,
    );
  }
}

/** What to look into, or undefined for something that is one entry. */
function childrenOf(value: PickleValue): Iterable<readonly [PickleValue, PickleValue]> | undefined {
  if (value instanceof PickleDict) return value.size > 0 ? value.entries() : undefined;
  if (value instanceof PickleSet) return childrenOf(value.items);
  if (Array.isArray(value)) return value.every(isScalar) ? undefined : value.entries();
  if (value instanceof OpaqueObject) {
    // A pickled object's attributes are its state; tensors among them are as good as any.
    const { state, items, entries } = value;
    if (state instanceof PickleDict && state.size > 0) return state.entries();
    if (entries && entries.size > 0) return entries.entries();
    if (items && !items.every(isScalar)) return items.entries();
  }
  return undefined;
}

function isScalar(value: PickleValue): value is ExtraScalar {
  return value === null || typeof value !== "object";
}

function leaf(value: PickleValue): ExtraValue {
  if (isScalar(value)) return value;
  if (Array.isArray(value)) return value.filter(isScalar);
  if (value instanceof PickleSet) return value.items.filter(isScalar);
  return objectLeaf(value);
}

function objectLeaf(value: Exclude<PickleValue, ExtraScalar | PickleValue[] | PickleSet>): ExtraObject {
  if (value instanceof Uint8Array) return { kind: "bytes", what: `${value.length} bytes` };
  if (value instanceof PickleDict) return { kind: "empty", what: "an empty dict" };
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
function keyText(key: PickleValue): string {
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
