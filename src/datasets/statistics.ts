import { HireSnnError } from "../errors";

/** What a file of images does not say by itself. */
export interface StatisticsOptions {
  /** Per channel, in pixel units: what a network trained on the set subtracts. */
  readonly mean?: readonly number[] | undefined;
  /** Per channel, in pixel units: what it divides by. */
  readonly std?: readonly number[] | undefined;
}

/**
 * The mean and deviation of a set that has none of its own. They decide every figure, so nothing is assumed.
 *
 * @param what names the set in messages
 * @throws HireSnnError INVALID_ARGUMENT if one is missing, or is not one finite number per channel (deviations above 0)
 */
export function requireStatistics(
  { mean, std }: StatisticsOptions,
  channels: number,
  what: string,
): { mean: readonly number[]; std: readonly number[] } {
  if (mean === undefined || std === undefined) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected mean and std (--mean, --std) for ${what}, which the network's training subtracted and divided by, but received ` +
        `${mean === std ? "neither" : "one of them"}; ImageNet's are 0.485,0.456,0.406 and 0.229,0.224,0.225, none at all are ` +
        `${Array<number>(channels).fill(0).join(",")} and ${Array<number>(channels).fill(1).join(",")}`,
    );
  }
  for (const [name, values, least] of [
    ["mean", mean, -Infinity],
    ["std", std, 0],
  ] as const) {
    if (values.length === channels && values.every((value) => Number.isFinite(value) && value > least))
      continue;
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected ${channels} finite number${channels === 1 ? "" : "s"}${least === 0 ? " above 0" : ""}, one per channel, for ${name} ` +
        `of ${what} but received ${JSON.stringify(values)}`,
    );
  }
  return { mean, std };
}
