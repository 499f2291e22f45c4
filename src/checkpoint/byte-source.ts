import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { HireSnnError } from "../errors";

/** Bytes that are read where they are wanted: a file, or a block of memory. */
export interface ByteSource {
  /** What messages call it: the file's path as the user gave it. */
  readonly name: string;
  /** Length in bytes. */
  readonly size: number;
  /**
   * Fills the whole of `target` with the bytes from `position` on.
   *
   * @throws HireSnnError CHECKPOINT_CORRUPT if they reach past the end
   */
  readInto(target: Uint8Array, position: number): void;
  /** Gives the file back; nothing can be read afterwards. */
  close(): void;
}

/** A source over bytes in memory; they are not copied. */
export function sourceOfBytes(name: string, bytes: Uint8Array): ByteSource {
  return {
    name,
    size: bytes.length,
    readInto(target, position) {
      if (position < 0 || position + target.length > bytes.length) {
        throw endReached(name, position, target.length, bytes.length);
      }
      target.set(bytes.subarray(position, position + target.length));
    },
    close() {},
  };
}

/**
 * An open file. Its size is taken once: a file that shrinks while it is read gives an error, never stale or zero bytes.
 */
export class FileSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  private descriptor: number | undefined;

  /** @throws HireSnnError IO if the file cannot be opened, CHECKPOINT_FORMAT if it is no regular file */
  constructor(path: string) {
    this.name = path;
    try {
      this.descriptor = openSync(path, "r");
    } catch (error) {
      const reason = (error as NodeJS.ErrnoException).code;
      const why = reason === "ENOENT" ? "there is no such file" : (error as Error).message;
      throw new HireSnnError("IO", `Cannot open ${path}: ${why}.`, { cause: error });
    }
    const status = fstatSync(this.descriptor);
    if (!status.isFile()) {
      this.close();
      const found = status.isDirectory() ? "a folder" : "no regular file";
      throw new HireSnnError("CHECKPOINT_FORMAT", `Expected a checkpoint file, but ${path} is ${found}.`);
    }
    this.size = status.size;
  }

  readInto(target: Uint8Array, position: number): void {
    if (this.descriptor === undefined) {
      throw new HireSnnError("DISPOSED", `${this.name} has been closed; open it again to read from it.`);
    }
    if (position < 0 || position + target.length > this.size) {
      throw endReached(this.name, position, target.length, this.size);
    }
    let done = 0;
    while (done < target.length) {
      // One call reads at most 2 GiB - 4 KiB on Linux, whatever is asked for.
      const count = this.readOnce(this.descriptor, target, done, position + done);
      if (count === 0) {
        throw new HireSnnError(
          "IO",
          `${this.name} became shorter while it was read. Read it again when it is complete.`,
        );
      }
      done += count;
    }
  }

  private readOnce(descriptor: number, target: Uint8Array, offset: number, position: number): number {
    try {
      return readSync(descriptor, target, offset, Math.min(target.length - offset, 0x4000_0000), position);
    } catch (error) {
      throw new HireSnnError(
        "IO",
        `Cannot read ${this.name} at byte ${position}: ${(error as Error).message}`,
        {
          cause: error,
        },
      );
    }
  }

  close(): void {
    if (this.descriptor !== undefined) closeSync(this.descriptor);
    this.descriptor = undefined;
  }
}

/** The error of a structure that reaches past the end of what holds it. */
export function endReached(name: string, position: number, wanted: number, end: number): HireSnnError {
  const left = Math.max(0, end - position);
  return new HireSnnError(
    "CHECKPOINT_CORRUPT",
    `${name} is truncated or corrupt: expected ${wanted} bytes at byte ${position}, found ${left}. ` +
      "Copy or download the file again.",
  );
}
