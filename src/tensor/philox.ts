import { HireSnnError } from "../errors";

/**
 * Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011): a counter-based
 * generator, a bijection of the counter for each key. There is no state to carry along, so the numbers of one sample do not
 * depend on which samples were drawn before it. Checked against the known answers of the authors' Random123.
 */

const multiplier0 = 0xd2511f53;
const multiplier1 = 0xcd9e8d57;
/** The key's increments: the golden ratio and sqrt(3) - 1, as 32-bit fractions. */
const weyl0 = 0x9e3779b9;
const weyl1 = 0xbb67ae85;
const rounds = 10;

/** A seed of 64 bits: a bigint, or a number that represents its integer exactly. */
export type Seed = number | bigint;

/**
 * The upper half of the 64-bit product of two unsigned 32-bit integers. Every intermediate value stays below 2^49, so double
 * arithmetic is exact. (The lower half is `Math.imul`.)
 */
function multiplyHigh(a: number, b: number): number {
  const low = a * (b & 0xffff);
  const high = a * (b >>> 16);
  return Math.floor((high + Math.floor(low / 0x10000)) / 0x10000);
}

/**
 * One block of four unsigned 32-bit random numbers.
 *
 * @param counter0 ... `counter3`, `key0` and `key1`: unsigned 32-bit integers
 * @param out receives the block in its first four elements; passed in because a random start draws thousands of blocks
 */
export function philox4x32(
  counter0: number,
  counter1: number,
  counter2: number,
  counter3: number,
  key0: number,
  key1: number,
  out: Uint32Array,
): void {
  for (let round = 0; round < rounds; round++) {
    const high0 = multiplyHigh(counter0, multiplier0);
    const low0 = Math.imul(counter0, multiplier0);
    const high1 = multiplyHigh(counter2, multiplier1);
    const low1 = Math.imul(counter2, multiplier1);
    counter0 = (high1 ^ counter1 ^ key0) >>> 0;
    counter1 = low1 >>> 0;
    counter2 = (high0 ^ counter3 ^ key1) >>> 0;
    counter3 = low0 >>> 0;
    key0 = (key0 + weyl0) >>> 0;
    key1 = (key1 + weyl1) >>> 0;
  }
  out[0] = counter0;
  out[1] = counter1;
  out[2] = counter2;
  out[3] = counter3;
}

/**
 * The low and the high word of a 64-bit seed.
 *
 * @throws HireSnnError INVALID_ARGUMENT unless it is an integer from 0 to 2^64 - 1, exactly represented
 */
export function seedWords(seed: Seed): [low: number, high: number] {
  if (typeof seed === "number" ? !Number.isSafeInteger(seed) || seed < 0 : seed < 0n || seed >= 1n << 64n) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected an integer from 0 to 2^64 - 1 for seed (a bigint above 2^53 - 1) but received ${seed}`,
    );
  }
  const wide = BigInt(seed);
  return [Number(wide & 0xffffffffn), Number(wide >> 32n)];
}

/** 32-bit FNV-1a of a text's UTF-8 bytes. */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text, "utf8")) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}
