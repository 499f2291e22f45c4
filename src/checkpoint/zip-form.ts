import { HireSnnError } from "../errors";
import { ByteReader } from "./byte-reader";
import type { ByteSource } from "./byte-source";
import type { CheckpointForm } from "./checkpoint-form";
import { crc32, requireCrc32 } from "./crc32";
import { foreignArchive } from "./foreign-forms";
import { bigEndian } from "./legacy-form";
import type { MemoryBudget } from "./memory-budget";
import { StorageTable } from "./storage-table";
import { torchGlobals } from "./torch-globals";
import { unpickle } from "./unpickler";
import { locateEntry, readZipArchive, type ZipArchive, type ZipEntry } from "./zip-archive";

const OBJECT = "/data.pkl";
/** Records other than the object and the storages are a few characters long. */
const LONGEST_NOTE = 64;
/** A checksum is taken over pieces of this many bytes. */
const PIECE = 1 << 20;

/**
 * Reads the zip form, PyTorch's since 1.6: `NAME/data.pkl` holds the object, `NAME/data/KEY` a storage each. Only the table
 * of contents, the pickle and the headers of the storages are read.
 *
 * @throws HireSnnError CHECKPOINT_FORMAT for another kind of archive, CHECKPOINT_CORRUPT, CHECKPOINT_UNSAFE
 */
export function readZipForm(source: ByteSource, budget: MemoryBudget): CheckpointForm {
  const archive = readZipArchive(source, budget);
  const foreign = foreignArchive([...archive.entries.keys()]);
  if (foreign) throw new HireSnnError("CHECKPOINT_FORMAT", `${source.name} is ${foreign}`);
  const object = findObject(source, archive);
  const folder = object.name.slice(0, -OBJECT.length);

  const byteOrder = readNote(source, archive, `${folder}/byteorder`);
  if (byteOrder === "big") throw bigEndian(source.name);
  if (byteOrder !== undefined && byteOrder !== "little") {
    throw new HireSnnError(
      "CHECKPOINT_CORRUPT",
      `${source.name} is corrupt: expected "little" or "big" as its byte order, found ${JSON.stringify(byteOrder)}.`,
    );
  }

  const table = new StorageTable(source.name);
  const start = locateEntry(source, object);
  checkObject(source, object, start);
  const reader = new ByteReader(source, start, start + object.size);
  const { value, opaqueGlobals } = unpickle(reader, {
    globals: torchGlobals(source.name),
    budget,
    persistentLoad: (id, position) => table.load(id, position),
  });
  locateStorages(source, archive, folder, table, start);
  return { format: "zip", value, opaqueGlobals, warnings: [] };
}

function findObject(source: ByteSource, archive: ZipArchive): ZipEntry {
  const objects = [...archive.entries.values()].filter(
    ({ name }) => name.endsWith(OBJECT) && name.indexOf("/") === name.length - OBJECT.length,
  );
  const [object] = objects;
  if (object && objects.length === 1) return object;
  throw new HireSnnError(
    "CHECKPOINT_FORMAT",
    `${source.name} is a zip archive, but no checkpoint: expected one entry NAME/data.pkl, found ${objects.length} ` +
      `among ${archive.entries.size} entries.`,
  );
}

/** A damaged name or number would go unnoticed in the pickle itself. */
function checkObject(source: ByteSource, object: ZipEntry, start: number): void {
  const piece = new Uint8Array(Math.min(PIECE, object.size));
  let sum = 0;
  for (let done = 0; done < object.size; done += PIECE) {
    const bytes = piece.subarray(0, Math.min(PIECE, object.size - done));
    source.readInto(bytes, start + done);
    sum = crc32(bytes, sum);
  }
  requireCrc32(source.name, JSON.stringify(object.name), start, sum, object.crc32);
}

function readNote(source: ByteSource, archive: ZipArchive, name: string): string | undefined {
  const entry = archive.entries.get(name);
  if (!entry) return undefined;
  const position = locateEntry(source, entry);
  const bytes = new Uint8Array(Math.min(entry.size, LONGEST_NOTE));
  source.readInto(bytes, position);
  return Buffer.from(bytes).toString("latin1").trim();
}

/** @param objectAt where the object's pickle begins, for messages */
function locateStorages(
  source: ByteSource,
  archive: ZipArchive,
  folder: string,
  table: StorageTable,
  objectAt: number,
): void {
  for (const storage of table.storages.values()) {
    const name = `${folder}/data/${storage.key}`;
    const entry = archive.entries.get(name);
    if (!entry) {
      throw new HireSnnError(
        "CHECKPOINT_CORRUPT",
        `${source.name} is corrupt: expected an entry ${JSON.stringify(name)} for a storage of the object at byte ` +
          `${objectAt}, found none.`,
      );
    }
    storage.position = locateEntry(source, entry);
    storage.crc32 = entry.crc32;
    if (entry.size !== storage.byteLength) {
      throw new HireSnnError(
        "CHECKPOINT_CORRUPT",
        `${source.name} is corrupt: expected ${storage.byteLength} bytes (${storage.length} of ${storage.type.name}) in ` +
          `${JSON.stringify(name)} at byte ${storage.position}, found ${entry.size}.`,
      );
    }
  }
}
