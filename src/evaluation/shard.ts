import { HireSnnError } from "../errors";

/** One of several parts of a run, which are computed apart and merged. */
export interface Shard {
  /** From 1 to `count`. */
  readonly index: number;
  readonly count: number;
}

/** Samples from `begin` up to and not including `end`. */
export interface SampleRange {
  readonly begin: number;
  readonly end: number;
}

/**
 * The samples of a shard: consecutive ones, so that merged ledgers follow each other, and as equal in number as possible.
 *
 * @param shard undefined for all samples
 * @throws HireSnnError INVALID_ARGUMENT if there is no such shard, or it has no sample
 */
export function shardRange(samples: number, shard: Shard | undefined): SampleRange {
  if (shard === undefined) return { begin: 0, end: samples };
  const { index, count } = shard;
  if (!Number.isSafeInteger(count) || count < 1 || count > samples) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected 1 to ${samples} shards of ${samples} samples but received ${count}`,
    );
  }
  if (!Number.isSafeInteger(index) || index < 1 || index > count) {
    throw new HireSnnError("INVALID_ARGUMENT", `Expected a shard from 1 to ${count} but received ${index}`);
  }
  const boundary = (i: number): number => Math.floor((i * samples) / count);
  return { begin: boundary(index - 1), end: boundary(index) };
}
