// Unpacks chosen parts of a zip archive (a wheel is one too).
//
// Of our own rather than an `unzip` that a machine may lack, and because an archive must not write outside its folder:
// names are checked here, and links are refused.
import { createReadStream, createWriteStream, mkdirSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, isAbsolute, join, normalize, sep } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createInflateRaw } from "node:zlib";
import * as zlib from "node:zlib";
import { interrupted } from "./processes.mjs";
import { SetupError } from "./report.mjs";

const endSignature = 0x06054b50;
const entrySignature = 0x02014b50;
const localSignature = 0x04034b50;
const endBytes = 22;
const longestComment = 0xffff;

/**
 * @param {string} archive
 * @param {string} folder made if need be
 * @param {(path: string) => string | null} select where a member goes, relative to the folder; null leaves it out
 * @returns {Promise<number>} the number of files written
 */
export async function unzip(archive, folder, select) {
  const file = await open(archive);
  try {
    const chosen = [];
    for (const entry of await readDirectory(file, archive)) {
      const path = entry.name.endsWith("/") ? null : select(entry.name);
      if (path !== null) chosen.push({ ...entry, target: safePath(folder, path, archive) });
    }
    for (const entry of chosen) {
      interrupted.throwIfAborted();
      await extract(file, entry, archive);
    }
    return chosen.length;
  } finally {
    await file.close();
  }
}

/** The path below the folder; refuses one that leads out of it. */
function safePath(folder, path, archive) {
  const clean = normalize(path);
  if (isAbsolute(clean) || clean === ".." || clean.startsWith(`..${sep}`) || path.includes("\0")) {
    throw new SetupError(`${archive} would write outside its folder ("${path}")`);
  }
  return join(folder, clean);
}

/** The archive's own list of its members, which stands at its end. */
async function readDirectory(file, archive) {
  const damaged = (what) => new SetupError(`${archive} is no zip archive or a damaged one: ${what}`);
  const { size } = await file.stat();
  const tail = await read(
    file,
    Math.max(0, size - endBytes - longestComment),
    Math.min(size, endBytes + longestComment),
  );
  const end = tail.lastIndexOf(Buffer.from("PK\x05\x06", "latin1"));
  if (end < 0 || tail.length - end < endBytes || tail.readUInt32LE(end) !== endSignature) {
    throw damaged("it does not end with a directory");
  }
  const count = tail.readUInt16LE(end + 10);
  const length = tail.readUInt32LE(end + 12);
  const start = tail.readUInt32LE(end + 16);
  if (count === 0xffff || start === 0xffffffff)
    throw damaged("more than 65,534 members or 4 GB (zip64) are not read");
  if (start + length > size) throw damaged("its directory lies behind its end");

  const directory = await read(file, start, length);
  const entries = [];
  for (let at = 0; entries.length < count;) {
    if (at + 46 > length || directory.readUInt32LE(at) !== entrySignature)
      throw damaged("its directory is cut off");
    const nameLength = directory.readUInt16LE(at + 28);
    const next = at + 46 + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
    entries.push({
      method: directory.readUInt16LE(at + 10),
      crc: directory.readUInt32LE(at + 16),
      packed: directory.readUInt32LE(at + 20),
      size: directory.readUInt32LE(at + 24),
      // The upper half holds Unix permissions and the kind of file.
      mode: directory.readUInt32LE(at + 38) >>> 16,
      offset: directory.readUInt32LE(at + 42),
      name: directory.toString("utf8", at + 46, at + 46 + nameLength),
    });
    at = next;
  }
  return entries;
}

async function extract(file, entry, archive) {
  const damaged = (what) => new SetupError(`${archive} is damaged: ${entry.name} ${what}`);
  const isLink = (entry.mode & 0o170000) === 0o120000;
  if (isLink) throw new SetupError(`${archive} holds a link (${entry.name}), which is not followed`);
  if (entry.method !== 0 && entry.method !== 8)
    throw damaged(`is packed by an unknown method (${entry.method})`);

  const header = await read(file, entry.offset, 30);
  if (header.length < 30 || header.readUInt32LE(0) !== localSignature)
    throw damaged("is not where it should be");
  const start = entry.offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  mkdirSync(dirname(entry.target), { recursive: true });
  let size = 0;
  let crc = 0;
  async function* counted(source) {
    for await (const chunk of source) {
      size += chunk.length;
      // Not in Node before 20.15; there the length and the packing's own consistency have to do.
      if (zlib.crc32) crc = zlib.crc32(chunk, crc);
      yield chunk;
    }
  }
  const packed =
    entry.packed === 0
      ? Readable.from([])
      : createReadStream(archive, { start, end: start + entry.packed - 1, highWaterMark: 1 << 20 });
  const steps = entry.method === 8 ? [packed, createInflateRaw()] : [packed];
  const out = createWriteStream(entry.target, { mode: entry.mode & 0o111 ? 0o755 : 0o644 });
  await pipeline(...steps, counted, out).catch((error) => {
    if (error.code?.startsWith?.("Z_")) throw damaged(`cannot be unpacked (${error.message})`);
    throw error;
  });
  if (size !== entry.size) throw damaged(`has ${size} bytes, expected ${entry.size}`);
  if (zlib.crc32 && crc !== entry.crc) throw damaged("has another checksum than expected");
}

async function read(file, position, length) {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
