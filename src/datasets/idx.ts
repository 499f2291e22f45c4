import type { Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { HireSnnError } from "../errors";
import { gunzipped } from "./gunzip";

/** An array of bytes in the idx form: what MNIST and its relatives are published in. */
export interface IdxArray {
  readonly shape: readonly number[];
  /** Row-major. */
  readonly data: Uint8Array;
}

/** More than any published set of this form; what is larger is refused before memory is taken for it. */
const largest = 2 ** 31;

/**
 * Reads an idx file of unsigned bytes, plain or gzipped (told by its first bytes, not by its name), in pieces. The memory is that of
 * the array that the header announces.
 *
 * @param dimensions how many it has to have: 3 for images [N, H, W], 1 for labels [N]
 * @param hash is given the unpacked content
 * @throws HireSnnError DATASET_INVALID if it is something else, is cut, or goes on behind its end
 */
export async function readIdx(path: string, dimensions: number, hash: Hash): Promise<IdxArray> {
  const headerBytes = 4 + 4 * dimensions;
  const header = Buffer.alloc(headerBytes);
  let shape: number[] | undefined;
  let data = new Uint8Array(0);
  let done = 0;
  const take = (chunk: Uint8Array): void => {
    hash.update(chunk);
    let rest = chunk;
    if (done < headerBytes) {
      const part = rest.subarray(0, headerBytes - done);
      header.set(part, done);
      done += part.length;
      rest = rest.subarray(part.length);
      if (done < headerBytes) return;
      shape = parseHeader(path, header, dimensions);
      data = new Uint8Array(shape.reduce((product, size) => product * size, 1));
    }
    const at = done - headerBytes;
    if (at + rest.length > data.length) throw wrongLength(path, headerBytes + data.length, "more");
    data.set(rest, at);
    done += rest.length;
  };
  try {
    for await (const chunk of await unpacked(path)) take(chunk);
  } catch (error) {
    throw explain(path, error);
  }
  if (!shape) throw invalid(path, `a header of ${headerBytes} bytes`, `${done} bytes`);
  if (done !== headerBytes + data.length) throw wrongLength(path, headerBytes + data.length, String(done));
  return { shape, data };
}

/** The file's content in pieces; of a gzipped one, what is packed in it. */
async function unpacked(path: string): Promise<AsyncIterable<Uint8Array>> {
  return (await startsWithGzip(path)) ? gunzipped(path) : createReadStream(path, { highWaterMark: 1 << 18 });
}

async function startsWithGzip(path: string): Promise<boolean> {
  for await (const chunk of createReadStream(path, { end: 1 }) as AsyncIterable<Buffer>) {
    return chunk[0] === 0x1f && chunk[1] === 0x8b;
  }
  return false;
}

function parseHeader(path: string, header: Buffer, dimensions: number): number[] {
  // Two zeros, the element type (8: unsigned bytes), the number of dimensions.
  const magic = header.readUInt32BE(0);
  const expected = 0x0800 + dimensions;
  if (magic !== expected) {
    throw invalid(path, `an idx file that begins with ${hex(expected)}`, hex(magic));
  }
  const shape = Array.from({ length: dimensions }, (_, i) => header.readUInt32BE(4 + 4 * i));
  if (shape.reduce((product, size) => product * size, 1) > largest) {
    throw invalid(path, `an array of at most ${largest} bytes`, `[${shape.join(", ")}]`);
  }
  return shape;
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, "0")}`;
}

function wrongLength(path: string, expected: number, found: string): HireSnnError {
  return invalid(path, `${expected} bytes (unpacked), as its header says,`, found);
}

function explain(path: string, error: unknown): unknown {
  if (error instanceof HireSnnError) return error;
  const { code = "", message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return invalid(path, "an idx file", "no such file", error);
  if (code.startsWith("Z_")) return invalid(path, "whole gzip data", message, error);
  return error;
}

function invalid(path: string, expected: string, found: string, cause?: unknown): HireSnnError {
  return new HireSnnError(
    "DATASET_INVALID",
    `Expected ${expected} in ${path} but found ${found}; copy or fetch the data set again`,
    { cause },
  );
}
