import * as zlib from "node:zlib";
import { HireSnnError } from "../errors";

/**
 * The checksum of zip archives.
 *
 * @param before the checksum of what comes before these bytes
 */
export function crc32(bytes: Uint8Array, before = 0): number {
  // Node has it since 20.15.
  return typeof zlib.crc32 === "function" ? zlib.crc32(bytes, before) : crc32InJavaScript(bytes, before);
}

/**
 * @param what the bytes are, for the message
 * @param expected 0 stands for no checksum: PyTorch can be told to leave it out
 * @throws HireSnnError CHECKPOINT_CORRUPT
 */
export function requireCrc32(
  name: string,
  what: string,
  position: number,
  found: number,
  expected: number,
): void {
  if (expected === 0 || found === expected) return;
  throw new HireSnnError(
    "CHECKPOINT_CORRUPT",
    `${name} is corrupt: ${what} at byte ${position} has the checksum ${found.toString(16)}, expected ` +
      `${expected.toString(16)}. Copy or download the file again.`,
  );
}

let table: Uint32Array | undefined;

export function crc32InJavaScript(bytes: Uint8Array, before: number): number {
  table ??= Uint32Array.from({ length: 256 }, (_, byte) => {
    let remainder = byte;
    for (let bit = 0; bit < 8; bit++)
      remainder = remainder & 1 ? (remainder >>> 1) ^ 0xedb88320 : remainder >>> 1;
    return remainder;
  });
  let sum = ~before;
  for (const byte of bytes) sum = (sum >>> 8) ^ table[(sum ^ byte) & 0xff]!;
  return ~sum >>> 0;
}
