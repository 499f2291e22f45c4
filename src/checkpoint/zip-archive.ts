import { inflateRawSync } from "node:zlib";
import { HireSnnError } from "../errors";
import { ByteReader } from "./byte-reader";
import { endReached, type ByteSource } from "./byte-source";
import { crc32, requireCrc32 } from "./crc32";
import type { MemoryBudget } from "./memory-budget";

export interface ZipEntry {
  readonly name: string;
  /** Bytes of its content; archives of torch.save are not compressed. */
  readonly size: number;
  readonly crc32: number;
  /** Whether the content is stored as it is: neither compressed nor encrypted. */
  readonly stored: boolean;
  /** Whether it is compressed in the usual way, as TorchScript's code is. */
  readonly deflated: boolean;
  /** Bytes of it in the file. */
  readonly compressedSize: number;
  /** Offset of the entry's own header in the file. */
  readonly header: number;
}

/** A zip archive's table of contents. */
export interface ZipArchive {
  readonly entries: ReadonlyMap<string, ZipEntry>;
}

export const LOCAL_HEADER = 0x04034b50;
export const CENTRAL_HEADER = 0x02014b50;
export const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
export const LOCAL_HEADER_SIZE = 30;
export const CENTRAL_HEADER_SIZE = 46;
export const END_SIZE = 22;
const LOCATOR64_SIZE = 20;
const END64_SIZE = 56;
const LONGEST_COMMENT = 0xffff;
/** Bytes of memory that an entry takes, its name aside. */
const COST_OF_ENTRY = 360;
const ZIP64_EXTRA = 1;

/**
 * Reads the table of contents of a zip archive, ZIP64 included. Offsets and sizes are checked against the file, and no
 * contents are read.
 *
 * @throws HireSnnError CHECKPOINT_CORRUPT if the archive is cut off or contradicts itself
 */
export function readZipArchive(source: ByteSource, budget: MemoryBudget): ZipArchive {
  const { offset, size, count } = findDirectory(source);
  // A header takes 46 bytes at least: a count beyond that is refused before anything is read.
  if (count * CENTRAL_HEADER_SIZE > size) {
    throw corrupt(source, offset, `a directory of ${count} entries, found ${size} bytes`);
  }
  const reader = new ByteReader(source, offset, offset + size);
  const entries = new Map<string, ZipEntry>();
  const headers = new Set<number>();
  let total = 0;
  for (let index = 0; index < count; index++) {
    const position = reader.position;
    const entry = readCentralHeader(source, reader, offset);
    if (entries.has(entry.name))
      throw corrupt(source, position, `each entry once, found ${JSON.stringify(entry.name)} again`);
    if (!budget.take(COST_OF_ENTRY + 2 * entry.name.length)) {
      throw corrupt(source, position, `fewer entries than ${count} in a file of ${source.size} bytes`);
    }
    entries.set(entry.name, entry);
    // TorchScript's mobile form lists the same content under two names.
    if (entry.stored && !headers.has(entry.header)) total += entry.size;
    headers.add(entry.header);
    // Entries that overlap would let a small file claim any amount of content.
    if (total > source.size) {
      throw corrupt(
        source,
        position,
        `entries of at most ${source.size} bytes together, found at least ${total}`,
      );
    }
  }
  return { entries };
}

/**
 * Where an entry's content lies in the file.
 *
 * @throws HireSnnError CHECKPOINT_FORMAT if it is compressed or encrypted, CHECKPOINT_CORRUPT if it is not where the
 *   table of contents says
 */
export function locateEntry(source: ByteSource, entry: ZipEntry): number {
  if (!entry.stored) {
    throw new HireSnnError(
      "CHECKPOINT_FORMAT",
      `${source.name}: expected entries stored as they are, as torch.save writes them, found ` +
        `${JSON.stringify(entry.name)} compressed or encrypted. Unpack the archive and save the checkpoint again with PyTorch.`,
    );
  }
  return locateContent(source, entry);
}

/**
 * The content of an entry, unpacked if it is compressed.
 *
 * @throws HireSnnError CHECKPOINT_FORMAT if it is encrypted or compressed in another way; CHECKPOINT_CORRUPT if it is not what
 *   the table of contents says, or larger than any archive's
 */
export function readEntry(source: ByteSource, entry: ZipEntry, budget: MemoryBudget): Uint8Array {
  const position = locateContent(source, entry);
  const quoted = JSON.stringify(entry.name);
  if (!entry.stored && !entry.deflated) {
    throw new HireSnnError(
      "CHECKPOINT_FORMAT",
      `${source.name}: expected plain or deflated entries but found ${quoted} encrypted or compressed in another way.`,
    );
  }
  if (!budget.take(entry.size + entry.compressedSize)) {
    throw corrupt(source, position, `${quoted} of fewer than ${entry.size} bytes`);
  }
  const bytes = new Uint8Array(entry.compressedSize);
  source.readInto(bytes, position);
  const content = entry.stored ? bytes : inflate(source, entry, bytes, position);
  requireCrc32(source.name, quoted, position, crc32(content), entry.crc32);
  return content;
}

function inflate(source: ByteSource, entry: ZipEntry, bytes: Uint8Array, position: number): Uint8Array {
  const expected = `${entry.size} bytes in ${JSON.stringify(entry.name)}`;
  let content: Uint8Array;
  try {
    content = inflateRawSync(bytes, { maxOutputLength: Math.max(1, entry.size) });
  } catch (error) {
    throw corrupt(
      source,
      position,
      `${expected}, found content that cannot be unpacked (${(error as Error).message})`,
    );
  }
  if (content.length !== entry.size) throw corrupt(source, position, `${expected}, found ${content.length}`);
  return content;
}

function locateContent(source: ByteSource, entry: ZipEntry): number {
  const quoted = JSON.stringify(entry.name);
  const header = readBlock(source, entry.header, LOCAL_HEADER_SIZE);
  if (header.getUint32(0, true) !== LOCAL_HEADER)
    throw corrupt(source, entry.header, `the header of ${quoted}`);
  const nameLength = header.getUint16(26, true);
  const name = new Uint8Array(nameLength);
  source.readInto(name, entry.header + LOCAL_HEADER_SIZE);
  if (Buffer.from(name).toString("utf8") !== entry.name)
    throw corrupt(source, entry.header, `the header of ${quoted}`);
  const position = entry.header + LOCAL_HEADER_SIZE + nameLength + header.getUint16(28, true);
  if (position + entry.compressedSize > source.size)
    throw endReached(source.name, position, entry.compressedSize, source.size);
  return position;
}

function findDirectory(source: ByteSource): { offset: number; size: number; count: number } {
  const start = Math.max(0, source.size - END_SIZE - LONGEST_COMMENT);
  const tail = readBlock(source, start, source.size - start);
  for (let at = tail.byteLength - END_SIZE; at >= 0; at--) {
    if (tail.getUint32(at, true) !== END) continue;
    if (at + END_SIZE + tail.getUint16(at + 20, true) !== tail.byteLength) continue;
    const end = start + at;
    const directory = readEnd64(source, end) ?? {
      count: tail.getUint16(at + 10, true),
      size: tail.getUint32(at + 12, true),
      offset: tail.getUint32(at + 16, true),
    };
    if (directory.offset + directory.size > end) {
      throw corrupt(
        source,
        end,
        `a directory before this byte, found one of ${directory.size} bytes at byte ${directory.offset}`,
      );
    }
    return directory;
  }
  throw new HireSnnError(
    "CHECKPOINT_CORRUPT",
    `${source.name} is truncated: it starts as a zip archive (a checkpoint of PyTorch 1.6 or later) of which ` +
      `${source.size} bytes are there, and the directory at the end is missing. Copy or download the file again.`,
  );
}

/** ZIP64's directory, used where a count or offset does not fit in 16 or 32 bits; PyTorch writes it always. */
function readEnd64(
  source: ByteSource,
  end: number,
): { offset: number; size: number; count: number } | undefined {
  const locatorAt = end - LOCATOR64_SIZE;
  if (locatorAt < 0) return undefined;
  const locator = new ByteReader(source, locatorAt, end);
  if (locator.uint32() !== LOCATOR64) return undefined;
  locator.uint32();
  const at = locator.uint64();
  if (!(at + END64_SIZE <= locatorAt))
    throw corrupt(source, locatorAt, "the ZIP64 directory before this byte");
  const reader = new ByteReader(source, at, locatorAt);
  if (reader.uint32() !== END64) throw corrupt(source, at, "the ZIP64 end of directory");
  reader.seek(at + 32);
  return { count: reader.uint64(), size: reader.uint64(), offset: reader.uint64() };
}

function readCentralHeader(source: ByteSource, reader: ByteReader, directory: number): ZipEntry {
  const start = reader.position;
  if (reader.uint32() !== CENTRAL_HEADER) throw corrupt(source, start, "an entry of the directory");
  reader.seek(start + 8);
  const flags = reader.uint16();
  const method = reader.uint16();
  reader.seek(start + 16);
  const crc32 = reader.uint32();
  let compressed = reader.uint32();
  let size = reader.uint32();
  const nameLength = reader.uint16();
  const extraLength = reader.uint16();
  const commentLength = reader.uint16();
  reader.seek(start + 42);
  let header = reader.uint32();
  const name = reader.text(nameLength, "utf8");
  const extraEnd = reader.position + extraLength;
  if (extraEnd > reader.end) throw endReached(source.name, reader.position, extraLength, reader.end);
  while (reader.position + 4 <= extraEnd) {
    const id = reader.uint16();
    const length = reader.uint16();
    const next = reader.position + length;
    if (next > extraEnd) throw corrupt(source, reader.position, "an extra field within its entry");
    if (id === ZIP64_EXTRA) {
      // Only the fields that overflow are there, in this order.
      const take = (value: number): number => {
        if (value !== 0xffffffff) return value;
        if (reader.position + 8 > next) throw corrupt(source, reader.position, "a 64-bit field");
        return reader.uint64();
      };
      size = take(size);
      compressed = take(compressed);
      header = take(header);
    }
    reader.seek(next);
  }
  reader.seek(extraEnd + commentLength);
  const stored = method === 0 && (flags & 1) === 0;
  if (stored && compressed !== size) {
    throw corrupt(source, start, `an uncompressed entry of one size, found ${compressed} and ${size}`);
  }
  if (!(header + LOCAL_HEADER_SIZE + compressed <= directory)) {
    throw corrupt(
      source,
      start,
      `${JSON.stringify(name)} before the directory at byte ${directory}, found it to reach past it`,
    );
  }
  const deflated = method === 8 && (flags & 1) === 0;
  return { name, size, crc32, stored, deflated, compressedSize: compressed, header };
}

function readBlock(source: ByteSource, position: number, length: number): DataView {
  if (position + length > source.size) throw endReached(source.name, position, length, source.size);
  const block = new Uint8Array(length);
  source.readInto(block, position);
  return new DataView(block.buffer);
}

function corrupt(source: ByteSource, position: number, expected: string): HireSnnError {
  return new HireSnnError(
    "CHECKPOINT_CORRUPT",
    `${source.name} is corrupt: at byte ${position}, expected ${expected}.`,
  );
}
