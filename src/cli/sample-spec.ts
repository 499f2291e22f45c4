import { HireSnnError } from "../errors";
import type { Shard } from "../evaluation/shard";
import { parseInteger } from "./numbers";

/**
 * "2/3": the second of three parts.
 *
 * @throws HireSnnError INVALID_ARGUMENT
 */
export function parseShard(text: string): Shard {
  const [index, count] = /^([1-9]\d{0,8})\/([1-9]\d{0,8})$/.exec(text)?.slice(1).map(Number) ?? [];
  if (index !== undefined && count !== undefined && index <= count) return { index, count };
  throw new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected i/n with i from 1 to n, such as 2/3, for --shard but received "${text}"`,
  );
}

/**
 * Samples by their indices, "0,7,9" ("7," for one), or the first few, "5".
 *
 * @throws HireSnnError INVALID_ARGUMENT
 */
export function parseSampleList(text: string): number[] {
  if (!text.includes(",")) {
    return Array.from({ length: parseInteger(text, "--save-png", 1) }, (_, sample) => sample);
  }
  const parts = text.replace(/,$/, "").split(",");
  return [...new Set(parts.map((part) => parseInteger(part.trim(), "--save-png", 0)))].sort((a, b) => a - b);
}
