import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { HireSnnError } from "../errors";

/**
 * A file that is written from front to back beside its place, and put there when it is complete: whoever looks never finds half
 * of it, and a file that was there stays until then.
 */
export class OutputFile {
  private readonly partial: string;
  private readonly descriptor: number;
  private written = 0;

  /**
   * Writes a file by `content`, which is given it.
   *
   * @returns its length in bytes
   * @throws HireSnnError IO, and whatever `content` throws; then nothing has changed
   */
  static write(path: string, content: (file: OutputFile) => void): number {
    const file = new OutputFile(path);
    try {
      content(file);
      file.finish(path);
      return file.written;
    } catch (error) {
      file.abandon();
      throw error;
    }
  }

  private constructor(path: string) {
    this.partial = `${path}.partial-${process.pid}`;
    this.descriptor = attempt(path, () => openSync(this.partial, "wx"));
  }

  /** Offset of the next byte. */
  get position(): number {
    return this.written;
  }

  append(bytes: Uint8Array): void {
    attempt(this.partial, () => {
      for (let done = 0; done < bytes.length;) {
        // One call writes at most 2 GiB - 4 KiB on Linux, whatever it is given.
        done += writeSync(this.descriptor, bytes, done, Math.min(bytes.length - done, 0x4000_0000));
      }
    });
    this.written += bytes.length;
  }

  private finish(path: string): void {
    attempt(path, () => {
      fsyncSync(this.descriptor);
      closeSync(this.descriptor);
      renameSync(this.partial, path);
    });
  }

  private abandon(): void {
    try {
      closeSync(this.descriptor);
    } catch {
      // It is closed already if the renaming failed.
    }
    rmSync(this.partial, { force: true });
  }
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw new HireSnnError("IO", `Cannot write ${path}: ${(error as Error).message}.`, { cause: error });
  }
}
