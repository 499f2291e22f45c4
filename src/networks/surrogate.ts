import { HireSnnError } from "../errors";

/**
 * What stands in for the derivative of the firing step, with x as in {@link SurrogateScale}; default parameters as their
 * authors use them.
 *
 * - `piecewise-linear`: a max(0, 1 - |x|), a = 0.3 (Bellec et al. 2018; HIRE-SNN)
 * - `triangle`: max(0, a - a^2 |x|), a = 1
 * - `rectangle`: 1 / (2 a) where |x| < a, a = 0.5
 * - `sigmoid`: a s(a x) (1 - s(a x)) with the logistic s, a = 4
 * - `atan`: (a / 2) / (1 + (pi a x / 2)^2), a = 2
 * - `erf`: a / sqrt(pi) exp(-(a x)^2), a = 2
 * - `piecewise-exponential`: (a / 2) exp(-a |x|), a = 1
 * - `fast-sigmoid`: 1 / (a |x| + 1)^2, a = 25
 * - `super-spike`: a / (|x| + 1)^2, a = 1
 * - `straight-through`: 1
 */
export type SurrogateShape = keyof typeof defaultParameters;

const defaultParameters = {
  "piecewise-linear": 0.3,
  triangle: 1,
  rectangle: 0.5,
  sigmoid: 4,
  atan: 2,
  erf: 2,
  "piecewise-exponential": 1,
  "fast-sigmoid": 25,
  "super-spike": 1,
  "straight-through": 1,
};

/** Every {@link SurrogateShape}. */
export const surrogateShapes = Object.keys(defaultParameters) as SurrogateShape[];

/**
 * What a shape is a function of, for a membrane h before the reset.
 *
 * - `threshold`: x = h / threshold - 1, and the gradient by h is shape(x) / threshold, as HIRE-SNN trains
 * - `absolute`: x = h - threshold, and the gradient by h is shape(x), as SpikingJelly and snnTorch do
 */
export type SurrogateScale = "threshold" | "absolute";

/** A surrogate derivative with all its parameters. */
export interface Surrogate {
  readonly shape: SurrogateShape;
  /** Above 0. */
  readonly a: number;
  readonly scale: SurrogateScale;
}

/** A surrogate derivative as it is asked for. */
export interface SurrogateOptions {
  readonly shape: SurrogateShape;
  /** @default the shape's own, see {@link SurrogateShape} */
  readonly a?: number | undefined;
  /** @default "threshold" */
  readonly scale?: SurrogateScale | undefined;
}

/**
 * @param options undefined for that of the original: piecewise-linear with a = 0.3 on the threshold's scale
 * @throws HireSnnError INVALID_ARGUMENT for an unknown shape or scale, and for a parameter that is not above 0
 */
export function resolveSurrogate(options: SurrogateOptions = { shape: "piecewise-linear" }): Surrogate {
  const { shape, scale = "threshold" } = options;
  if (!Object.hasOwn(defaultParameters, shape)) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected one of ${surrogateShapes.join(", ")} for the surrogate gradient's shape but received ${shape}`,
    );
  }
  if (!["threshold", "absolute"].includes(scale)) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected threshold or absolute for the surrogate gradient's scale but received ${scale}`,
    );
  }
  const a = options.a === undefined ? defaultParameters[shape] : options.a;
  if (!(Number.isFinite(a) && a > 0)) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected a number above 0 for a of the surrogate gradient but received ${a}`,
    );
  }
  return { shape, a, scale };
}
