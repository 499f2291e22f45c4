/**
 * Holm's step-down correction for several tests (S. Holm, "A simple sequentially rejective multiple test procedure", 1979): rejecting
 * where the adjusted value is at most alpha keeps the chance of any false rejection at alpha, however the tests depend on each other.
 * The i-th smallest of m p-values is multiplied by m - i + 1, and is at least the adjusted value before it.
 *
 * @param pValues in any order
 * @returns the adjusted p-values, in the same order, at most 1
 */
export function holmAdjust(pValues: readonly number[]): number[] {
  const order = pValues.map((_, i) => i).sort((a, b) => (pValues[a] as number) - (pValues[b] as number));
  const adjusted = new Array<number>(pValues.length);
  let largest = 0;
  for (const [place, i] of order.entries()) {
    largest = Math.max(largest, Math.min(1, (pValues[i] as number) * (pValues.length - place)));
    adjusted[i] = largest;
  }
  return adjusted;
}
