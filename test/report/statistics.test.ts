import { holmAdjust } from "../../src/report/statistics/holm";
import { mcnemarTest } from "../../src/report/statistics/mcnemar";

/** 2 * sum of C(n, i) / 2^n in integers, rounded once. */
function exactTail(n: number, fewer: number): number {
  let term = 1n;
  let sum = 1n;
  for (let i = 1; i <= fewer; i++) {
    term = (term * BigInt(n - i + 1)) / BigInt(i);
    sum += term;
  }
  const digits = 10n ** 30n;
  return Math.min(1, Number((2n * sum * digits) / 2n ** BigInt(n)) / 1e30);
}

describe("McNemar's exact test", () => {
  test.each([
    // By hand: 2 / 2^8; 2 * (1 + 5) / 2^5 = 0.375; equal counts.
    [8, 0, 0.0078125],
    [1, 4, 0.375],
    [3, 3, 1],
    [0, 0, 1],
    // 2 * pbinom(5, 20, 0.5) of R
    [5, 15, 0.04138946533203125],
  ])("%i against %i", (onlyFirst, onlySecond, p) => {
    expect(mcnemarTest({ onlyFirst, onlySecond })).toBeCloseTo(p, 14);
    expect(mcnemarTest({ onlyFirst: onlySecond, onlySecond: onlyFirst })).toBeCloseTo(p, 14);
  });

  test("as integer arithmetic has it, also where powers of two underflow", () => {
    for (const [n, fewer] of [
      [31, 7],
      [500, 230],
      [2000, 950],
      [9000, 4350],
    ] as const) {
      const p = mcnemarTest({ onlyFirst: fewer, onlySecond: n - fewer });
      expect(p / exactTail(n, fewer)).toBeCloseTo(1, 9);
    }
    expect(mcnemarTest({ onlyFirst: 0, onlySecond: 5000 })).toBe(0);
  });
});

test("Holm's adjustment", () => {
  // By hand: 4 * 0.005, 3 * 0.01, 2 * 0.03, and 0.04 not below the one before.
  expect(holmAdjust([0.01, 0.04, 0.03, 0.005])).toEqual([0.03, 0.06, 0.06, 0.02]);
  expect(holmAdjust([0.5, 0.6])).toEqual([1, 1]);
  expect(holmAdjust([])).toEqual([]);
});
