import type { StoredDtype, StoredValues } from "./checkpoint";
import { bfloat16FromFloat32, float16FromFloat32 } from "./half-precision";
import { toFloat32 } from "./tensor-values";

export const floatingDtypes = ["float64", "float32", "float16", "bfloat16"] as const;

export type FloatingDtype = (typeof floatingDtypes)[number];

export function isFloating(dtype: StoredDtype): dtype is FloatingDtype {
  return (floatingDtypes as readonly string[]).includes(dtype);
}

/**
 * Values in another floating-point type, rounded as PyTorch rounds them: float64 becomes a half by way of float32.
 */
export function convertFloating(values: StoredValues, from: FloatingDtype, to: FloatingDtype): StoredValues {
  if (from === to) return values;
  const singles = toFloat32(values, from, "a conversion");
  switch (to) {
    case "float64":
      return Float64Array.from(singles);
    case "float32":
      return singles;
    case "float16":
      return float16FromFloat32(singles);
    case "bfloat16":
      return bfloat16FromFloat32(singles);
  }
}
