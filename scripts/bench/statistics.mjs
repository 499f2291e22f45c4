// Medians, and ratios of what was measured side by side.

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function spread(values) {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

/**
 * How many times longer `slow` took than `fast`. Round by round: what disturbs a round disturbs both.
 * @param {number[]} slow seconds of each round
 * @param {number[]} fast of the same rounds
 */
export function ratioOf(slow, fast) {
  return spread(slow.map((seconds, round) => seconds / fast[round]));
}
