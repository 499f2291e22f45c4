import type { Surrogate, SurrogateShape } from "../../src/networks/surrogate";

const { abs, exp, max, PI, sqrt } = Math;
const logistic = (x: number): number => 1 / (1 + exp(-x));

/** The shapes' formulas written out, with x as the scale has it. */
const shapes: Record<SurrogateShape, (x: number, a: number) => number> = {
  "piecewise-linear": (x, a) => a * max(0, 1 - abs(x)),
  triangle: (x, a) => max(0, a - a ** 2 * abs(x)),
  rectangle: (x, a) => (abs(x) < a ? 1 / (2 * a) : 0),
  sigmoid: (x, a) => a * logistic(a * x) * (1 - logistic(a * x)),
  atan: (x, a) => a / 2 / (1 + ((PI / 2) * a * x) ** 2),
  erf: (x, a) => (a / sqrt(PI)) * exp(-((a * x) ** 2)),
  "piecewise-exponential": (x, a) => (a / 2) * exp(-a * abs(x)),
  "fast-sigmoid": (x, a) => 1 / (a * abs(x) + 1) ** 2,
  "super-spike": (x, a) => a / (abs(x) + 1) ** 2,
  "straight-through": () => 1,
};

/** What stands for the derivatives of a spike. */
export interface SpikeDerivatives {
  /** By the membrane before the reset. */
  readonly byMembrane: number;
  /** By the threshold. */
  readonly byThreshold: number;
}

/** Those of a spike that is shape(h / threshold - 1) on the threshold's scale and shape(h - threshold) on the absolute one. */
export function spikeDerivatives(
  { shape, a, scale }: Surrogate,
  membrane: number,
  threshold: number,
): SpikeDerivatives {
  if (scale === "absolute") {
    const value = shapes[shape](membrane - threshold, a);
    return { byMembrane: value, byThreshold: -value };
  }
  const value = shapes[shape](membrane / threshold - 1, a);
  return { byMembrane: value / threshold, byThreshold: (-value * membrane) / threshold ** 2 };
}
