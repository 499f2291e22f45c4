/** What two classifiers made of the same samples. */
export interface Discordance {
  /** Samples that only the first has right. */
  readonly onlyFirst: number;
  /** Samples that only the second has right. */
  readonly onlySecond: number;
}

/**
 * The exact two-sided McNemar test of two classifiers on the same samples (Q. McNemar, "Note on the sampling error of the difference
 * between correlated proportions or percentages", 1947). Where both are as good, a sample on which they differ favours either with
 * probability 1/2, so that the smaller count is binomial:
 *
 *     p = min(1, 2 * sum of C(n, i) / 2^n over i from 0 to min(onlyFirst, onlySecond)),   n = onlyFirst + onlySecond
 *
 * @returns the p-value, from 0 to 1; 1 if the two never differ
 */
export function mcnemarTest({ onlyFirst, onlySecond }: Discordance): number {
  const n = onlyFirst + onlySecond;
  const fewer = Math.min(onlyFirst, onlySecond);
  // C(n, 0) / 2^n underflows from n = 1075 on: the sum runs relative to its last and largest term, whose size is a logarithm.
  let term = 1;
  let sum = 1;
  for (let i = fewer; i > 0; i--) {
    term *= i / (n - i + 1);
    sum += term;
  }
  const last = logFactorial(n) - logFactorial(fewer) - logFactorial(n - fewer) - n * Math.LN2;
  return Math.min(1, 2 * sum * Math.exp(last));
}

/** ln n!, by its definition: the counts here are of samples. */
function logFactorial(n: number): number {
  let sum = 0;
  for (let i = 2; i <= n; i++) sum += Math.log(i);
  return sum;
}
