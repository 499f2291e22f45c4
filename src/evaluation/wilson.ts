/** The 97.5th percentile of the normal distribution, for intervals of 95 %. */
const z = 1.959963984540054;

/**
 * The 95 % Wilson score interval of a proportion (E. B. Wilson, "Probable inference, the law of succession, and statistical
 * inference", 1927). It keeps its coverage near 0 and 1 and for few samples, where the usual normal interval does not.
 *
 * @param correct successes, from 0 to `n`
 * @param n trials, at least 1
 * @returns [low, high], fractions
 */
export function wilsonInterval(correct: number, n: number): [low: number, high: number] {
  const proportion = correct / n;
  const shrink = 1 + (z * z) / n;
  const centre = (proportion + (z * z) / (2 * n)) / shrink;
  const half = (z / shrink) * Math.sqrt((proportion * (1 - proportion)) / n + (z * z) / (4 * n * n));
  // At the ends the exact bound is 0 or 1, which rounding would miss.
  return [correct === 0 ? 0 : centre - half, correct === n ? 1 : centre + half];
}
