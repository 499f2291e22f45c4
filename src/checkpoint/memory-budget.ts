import type { ByteSource } from "./byte-source";

/** Bytes beyond the file's size that the objects read from it may take. */
const ALLOWANCE = 40 * 2 ** 20;
/**
 * Bytes beyond twice the file's size that all may take together: objects, and the arrays in which a tensor's values are
 * gathered. What is left of the promised 64 MiB is for the garbage of a run.
 */
const TOTAL_ALLOWANCE = 48 * 2 ** 20;

/**
 * How much memory the objects of one file may take. Whatever makes an object out of a file's bytes charges for it first, by
 * what V8 takes for it at the worst: a few bytes that grow beyond that are not data but an attack on memory.
 */
export class MemoryBudget {
  private charged = 0;
  private readonly limit: number;

  constructor(private readonly source: Pick<ByteSource, "size">) {
    this.limit = source.size + ALLOWANCE;
  }

  /** @returns whether that much was left */
  take(bytes: number): boolean {
    this.charged += bytes;
    return this.charged <= this.limit;
  }

  /** Bytes that reading one tensor may take beside the objects. */
  get leftForValues(): number {
    return 2 * this.source.size + TOTAL_ALLOWANCE - this.charged;
  }
}
