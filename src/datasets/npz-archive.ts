import type { Hash } from "node:crypto";
import { open, type FileHandle } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { openPromise, type Entry, type ZipFile } from "yauzl";
import { HireSnnError } from "../errors";
import { mostHeaderBytes, parseNpyHeader, type NpyHeader } from "./npy";

/** An array of an archive, which is read in rows: slices of its first axis. */
export interface ArchivedArray {
  readonly name: string;
  readonly header: NpyHeader;
  /** The bytes of `count` rows from `start` on, which lie within the array. */
  readRows(start: number, count: number): Promise<Uint8Array>;
}

/** Deflate packs nothing tighter, so a member that claims to be larger is a lie. */
const largestRatio = 1032;
/** Most bytes that a compressed array may take in memory. */
const largestUnpacked = 2 ** 31;
/** More members than this are no data set's. */
const mostMembers = 1000;

/**
 * The arrays of an `.npz` archive. What is stored (`np.savez`) is read row by row from the file; what is compressed
 * (`np.savez_compressed`) can be read only from its beginning on, and stays in memory.
 */
export class NpzArchive {
  private constructor(
    readonly path: string,
    private readonly zip: ZipFile,
    private readonly file: FileHandle,
    private readonly entries: ReadonlyMap<string, Entry>,
  ) {}

  /** @throws HireSnnError DATASET_INVALID if there is no such file, or it is no zip archive of arrays */
  static async open(path: string): Promise<NpzArchive> {
    const file = await open(path, "r").catch((error: unknown) => {
      const { code, message } = error as NodeJS.ErrnoException;
      throw invalid(path, "an .npz file", code === "ENOENT" ? "no such file" : message, error);
    });
    let zip: ZipFile | undefined;
    try {
      zip = await openPromise(path, { autoClose: false, lazyEntries: true });
      const entries = new Map<string, Entry>();
      if (zip.entryCount > mostMembers)
        throw invalid(path, `at most ${mostMembers} arrays`, String(zip.entryCount));
      for await (const entry of zip.eachEntry()) {
        const name = /^(.+)\.npy$/.exec(entry.fileName)?.[1];
        if (name === undefined)
          throw invalid(path, "arrays alone (NAME.npy)", JSON.stringify(entry.fileName));
        if (entries.has(name)) throw invalid(path, "each array once", `${name} twice`);
        entries.set(name, entry);
      }
      return new NpzArchive(path, zip, file, entries);
    } catch (error) {
      zip?.close();
      await file.close();
      if (error instanceof HireSnnError) throw error;
      throw invalid(path, "an .npz archive", (error as Error).message, error);
    }
  }

  get names(): string[] {
    return [...this.entries.keys()];
  }

  has(name: string): boolean {
    return this.entries.has(name);
  }

  /**
   * Reads an array once from beginning to end, which checks it, and gives access to its rows.
   *
   * @param check may refuse what the header says before memory is taken
   * @param hash is given all bytes of the `.npy` file
   * @throws HireSnnError DATASET_INVALID if it is damaged, or longer or shorter than its header says
   */
  async array(name: string, check: (header: NpyHeader) => void, hash?: Hash): Promise<ArchivedArray> {
    const entry = this.entries.get(name);
    const label = `${name} in ${this.path}`;
    if (!entry) throw invalid(this.path, `an array ${name}`, this.names.join(", ") || "none");
    if (entry.isEncrypted() || ![0, 8].includes(entry.compressionMethod)) {
      throw invalid(
        label,
        "a stored or deflated array",
        `zip's method ${entry.compressionMethod}, or encryption`,
      );
    }
    const { compressedSize, uncompressedSize } = entry;
    if (uncompressedSize > largestRatio * compressedSize + mostHeaderBytes) {
      throw invalid(label, "a possible size", `${uncompressedSize} bytes in ${compressedSize}`);
    }
    const stored = entry.compressionMethod === 0;
    let header: NpyHeader | undefined;
    let start = Buffer.alloc(0);
    let unpacked: Uint8Array | undefined;
    let done = 0;
    let crc = 0;
    const begin = (): void => {
      header = parseNpyHeader(start, label);
      const { shape, elementBytes, headerBytes } = header;
      const expected = shape.reduce((product, size) => product * size, elementBytes);
      if (headerBytes + expected !== uncompressedSize) {
        throw invalid(
          label,
          `${headerBytes + expected} bytes, as its header says,`,
          String(uncompressedSize),
        );
      }
      check(header);
      if (stored) return;
      if (uncompressedSize > largestUnpacked) {
        throw invalid(
          label,
          `at most ${largestUnpacked} bytes, compressed`,
          `${uncompressedSize}; save it by np.savez`,
        );
      }
      unpacked = new Uint8Array(uncompressedSize);
      unpacked.set(start);
    };
    try {
      const stream = await this.zip.openReadStreamPromise(entry);
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        hash?.update(chunk);
        // Node 20.15 has it; before that, the compression's own consistency and the lengths have to do.
        if (typeof crc32 === "function") crc = crc32(chunk, crc);
        if (header) unpacked?.set(chunk, done);
        else start = Buffer.concat([start, chunk]);
        done += chunk.length;
        if (!header && start.length >= Math.min(mostHeaderBytes, uncompressedSize)) begin();
      }
    } catch (error) {
      if (error instanceof HireSnnError) throw error;
      throw invalid(label, "a whole array", (error as Error).message, error);
    }
    if (!header) throw invalid(label, "an array in NumPy's format", "nothing");
    if (typeof crc32 === "function" && crc !== entry.crc32) {
      throw invalid(label, `the checksum ${entry.crc32}`, `${crc}: the file is damaged`);
    }
    const { headerBytes } = header;
    const rowBytes = header.shape.slice(1).reduce((product, size) => product * size, header.elementBytes);
    if (unpacked) {
      const rows = unpacked.subarray(headerBytes);
      return {
        name,
        header,
        readRows: (first, count) => Promise.resolve(rows.slice(first * rowBytes, (first + count) * rowBytes)),
      };
    }
    const { fileDataStart } = await this.zip.readLocalFileHeaderPromise(entry, { minimal: true });
    return {
      name,
      header,
      readRows: (first, count) =>
        this.readFully(fileDataStart + headerBytes + first * rowBytes, count * rowBytes),
    };
  }

  async close(): Promise<void> {
    this.zip.close();
    await this.file.close();
  }

  private async readFully(position: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length;) {
      const { bytesRead } = await this.file.read(bytes, done, length - done, position + done);
      if (bytesRead === 0)
        throw invalid(
          this.path,
          `${length} bytes at byte ${position}`,
          `${done}: the file shrank while it was open`,
        );
      done += bytesRead;
    }
    return bytes;
  }
}

function invalid(where: string, expected: string, found: string, cause?: unknown): HireSnnError {
  return new HireSnnError("DATASET_INVALID", `Expected ${expected} in ${where} but found ${found}`, {
    cause,
  });
}
