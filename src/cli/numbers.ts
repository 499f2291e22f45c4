import { HireSnnError } from "../errors";
import type { Seed } from "../tensor/philox";

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/**
 * A number as users write it: "0.031", "1e-2", or a fraction, "8/255".
 *
 * @param name of the option or key, for the message
 * @throws HireSnnError INVALID_ARGUMENT for anything else
 */
export function parseNumber(text: string, name: string): number {
  const parts = text.split("/").map((part) => part.trim());
  const [numerator, denominator] = parts.map(Number);
  const value = (numerator as number) / (denominator ?? 1);
  if (parts.length > 2 || !parts.every((part) => decimal.test(part)) || !Number.isFinite(value)) {
    throw expected("a number such as 0.031 or 8/255", name, text);
  }
  return value;
}

/**
 * @param least the smallest integer that is accepted
 * @throws HireSnnError INVALID_ARGUMENT
 */
export function parseInteger(text: string, name: string, least: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least) {
    throw expected(`an integer from ${least}`, name, text);
  }
  return value;
}

/** @throws HireSnnError INVALID_ARGUMENT unless it is an integer from 0 to 2^64 - 1 */
export function parseSeed(text: string, name: string): Seed {
  if (!/^\d+$/.test(text) || BigInt(text) >= 1n << 64n) {
    throw expected("an integer from 0 to 2^64 - 1", name, text);
  }
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : BigInt(text);
}

/** @throws HireSnnError INVALID_ARGUMENT unless it is numbers separated by commas: "0.485,0.456,0.406" */
export function parseNumbers(text: string, name: string): number[] {
  return text.split(",").map((part) => parseNumber(part.trim(), name));
}

/** @throws HireSnnError INVALID_ARGUMENT unless it is "true" or "false" */
export function parseBoolean(text: string, name: string): boolean {
  if (text !== "true" && text !== "false") throw expected("true or false", name, text);
  return text === "true";
}

function expected(what: string, name: string, text: string): HireSnnError {
  return new HireSnnError("INVALID_ARGUMENT", `Expected ${what} for ${name} but received "${text}"`);
}

/** "3x32x32" */
export function parseImageShape(text: string, name: string): [number, number, number] {
  const sizes = /^([1-9]\d{0,5})x([1-9]\d{0,5})x([1-9]\d{0,5})$/.exec(text)?.slice(1).map(Number);
  if (sizes) return sizes as [number, number, number];
  throw new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected CxHxW, such as 3x32x32, for ${name} but received "${text}"`,
  );
}
