import { HireSnnError } from "../errors";
import { type ByteReader } from "./byte-reader";
import { endReached, type ByteSource } from "./byte-source";
import type { CheckpointForm } from "./checkpoint-form";
import type { MemoryBudget } from "./memory-budget";
import { PickleDict, type PickleValue } from "./pickle-values";
import { StorageTable } from "./storage-table";
import { torchGlobals } from "./torch-globals";
import { describe, quote, unpickle } from "./unpickler";

/** First value of the stream that PyTorch wrote before 1.6, and still writes on request. */
export const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn;
export const PROTOCOL_VERSION = 1001;

/**
 * Reads the legacy form: five pickles (magic number, protocol, system, object, storage keys), then for each key an int64
 * count of elements and the elements. Only the pickles and the counts are read.
 *
 * @param reader stands behind the magic number
 * @throws HireSnnError CHECKPOINT_FORMAT, CHECKPOINT_CORRUPT, CHECKPOINT_UNSAFE
 */
export function readLegacyForm(source: ByteSource, reader: ByteReader, budget: MemoryBudget): CheckpointForm {
  const { name } = source;
  const plain = { globals: new Map<string, never>(), budget };
  checkProtocol(name, unpickle(reader, plain).value);
  checkSystem(name, unpickle(reader, plain).value);

  const table = new StorageTable(name);
  const { value, opaqueGlobals } = unpickle(reader, {
    globals: torchGlobals(name),
    budget,
    persistentLoad: (id, position) => table.load(id, position),
  });

  const keysAt = reader.position;
  const keys = unpickle(reader, plain).value;
  const end = locateStorages(source, table, keys, keysAt, reader.position);
  const extra = source.size - end;
  const warnings =
    extra > 0 ? [`${extra} bytes follow the last storage; they are not part of the checkpoint.`] : [];
  return { format: "legacy", value, opaqueGlobals, warnings };
}

function checkProtocol(name: string, value: PickleValue): void {
  if (value !== PROTOCOL_VERSION) {
    throw new HireSnnError(
      "CHECKPOINT_FORMAT",
      `${name}: expected version ${PROTOCOL_VERSION} of PyTorch's legacy form, found ${describe(value)}.`,
    );
  }
}

function checkSystem(name: string, value: PickleValue): void {
  const little = value instanceof PickleDict ? value.getNamed("little_endian") : undefined;
  if (little === false) throw bigEndian(name);
  if (little !== true) {
    throw new HireSnnError(
      "CHECKPOINT_CORRUPT",
      `${name} is corrupt: expected the byte order of the system that wrote it.`,
    );
  }
}

/** Both forms can come from a big-endian machine; none of the published files does. */
export function bigEndian(name: string): HireSnnError {
  return new HireSnnError(
    "CHECKPOINT_FORMAT",
    `${name}: expected little-endian values, found a checkpoint of a big-endian machine. Load and save it with PyTorch ` +
      "on a little-endian one.",
  );
}

/** @returns where the last storage ends */
function locateStorages(
  source: ByteSource,
  table: StorageTable,
  keys: PickleValue,
  keysAt: number,
  start: number,
): number {
  const refuse = (position: number, expected: string): never => {
    throw new HireSnnError(
      "CHECKPOINT_CORRUPT",
      `${source.name} is corrupt: at byte ${position}, expected ${expected}.`,
    );
  };
  if (!Array.isArray(keys)) return refuse(keysAt, `the list of storage keys, found ${describe(keys)}`);
  const count = new DataView(new ArrayBuffer(8));
  let position = start;
  for (const key of keys) {
    const storage = typeof key === "object" ? undefined : table.storages.get(String(key));
    if (!storage) return refuse(keysAt, `the keys of this file's storages, found ${describe(key)}`);
    if (storage.position !== undefined)
      return refuse(keysAt, `each storage key once, found ${quote(storage.key)} twice`);
    source.readInto(new Uint8Array(count.buffer), position);
    const stored = count.getBigInt64(0, true);
    if (stored !== BigInt(storage.length)) {
      return refuse(position, `storage ${quote(storage.key)} of ${storage.length} elements, found ${stored}`);
    }
    storage.position = position + 8;
    position = storage.position + storage.byteLength;
    if (position > source.size)
      throw endReached(source.name, storage.position, storage.byteLength, source.size);
  }
  for (const storage of table.storages.values()) {
    if (storage.position === undefined)
      return refuse(keysAt, `storage ${quote(storage.key)} among the storage keys`);
  }
  return position;
}
