import { createHash } from "node:crypto";
import { open, stat, type FileHandle } from "node:fs/promises";
import { HireSnnError } from "../errors";
import type { ByteImages, ByteImageSource } from "./byte-image-dataset";

/** How records lie in a file: some label bytes, the last of which is the class, then the pixels. */
export interface RecordLayout {
  readonly labelBytes: number;
  readonly pixelBytes: number;
}

export interface RecordFile {
  readonly path: string;
  readonly records: number;
}

const hashedAtOnce = 1 << 20;

/**
 * Images in files of records of one size, which only reads the records that it is asked for. (Opening reads each file once, in
 * pieces, for its hash.)
 */
export class RecordFiles implements ByteImageSource {
  private constructor(
    private readonly layout: RecordLayout,
    private readonly parts: readonly (RecordFile & { readonly handle: FileHandle })[],
    readonly sha256: string,
  ) {}

  /**
   * @throws HireSnnError DATASET_INVALID if a file is missing or not exactly as long as its records
   */
  static async open(layout: RecordLayout, files: readonly RecordFile[]): Promise<RecordFiles> {
    const parts: (RecordFile & { handle: FileHandle })[] = [];
    const hash = createHash("sha256");
    try {
      for (const file of files) {
        const expected = file.records * recordBytes(layout);
        await checkSize(file.path, expected);
        const handle = await open(file.path, "r");
        parts.push({ ...file, handle });
        const buffer = Buffer.allocUnsafe(hashedAtOnce);
        for (let position = 0; position < expected;) {
          const piece = buffer.subarray(0, Math.min(hashedAtOnce, expected - position));
          await readFully(handle, file.path, piece, position);
          hash.update(piece);
          position += piece.length;
        }
      }
    } catch (error) {
      await Promise.all(parts.map(({ handle }) => handle.close()));
      throw error;
    }
    return new RecordFiles(layout, parts, hash.digest("hex"));
  }

  get length(): number {
    return this.parts.reduce((sum, part) => sum + part.records, 0);
  }

  get files(): readonly string[] {
    return this.parts.map((part) => part.path);
  }

  async read(start: number, count: number): Promise<ByteImages> {
    const { labelBytes, pixelBytes } = this.layout;
    const size = recordBytes(this.layout);
    const labels = new Uint8Array(count);
    const pixels = new Uint8Array(count * pixelBytes);
    let done = 0;
    let before = 0;
    for (const { handle, path, records } of this.parts) {
      const first = Math.max(start + done - before, 0);
      const wanted = Math.min(count - done, records - first);
      before += records;
      if (wanted <= 0) continue;
      const content = Buffer.allocUnsafe(wanted * size);
      await readFully(handle, path, content, first * size);
      for (let i = 0; i < wanted; i++, done++) {
        labels[done] = content[i * size + labelBytes - 1] as number;
        pixels.set(content.subarray(i * size + labelBytes, (i + 1) * size), done * pixelBytes);
      }
    }
    return { labels, pixels };
  }

  async close(): Promise<void> {
    await Promise.all(this.parts.map(({ handle }) => handle.close()));
  }
}

function recordBytes(layout: RecordLayout): number {
  return layout.labelBytes + layout.pixelBytes;
}

async function checkSize(path: string, expected: number): Promise<void> {
  let found: string;
  try {
    const status = await stat(path);
    if (status.isFile() && status.size === expected) return;
    found = status.isFile() ? `${status.size} bytes` : "something that is no file";
  } catch (error) {
    found = (error as NodeJS.ErrnoException).code === "ENOENT" ? "no such file" : (error as Error).message;
  }
  throw new HireSnnError(
    "DATASET_INVALID",
    `Expected ${expected} bytes in ${path} but found ${found}; copy or unpack the data set again`,
  );
}

async function readFully(handle: FileHandle, path: string, buffer: Buffer, position: number): Promise<void> {
  for (let done = 0; done < buffer.length;) {
    const { bytesRead } = await handle.read(buffer, done, buffer.length - done, position + done);
    if (bytesRead === 0) {
      throw new HireSnnError(
        "DATASET_INVALID",
        `Expected ${buffer.length} bytes at byte ${position} of ${path} but found ${done}: the file shrank while it was open`,
      );
    }
    done += bytesRead;
  }
}
