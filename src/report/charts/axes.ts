import { textWidth } from "./text-width";

/** Accuracies along an axis, from 0 to 100 whatever the values: a cut axis makes small differences look large. */
export const percentAxis = {
  type: "quantitative",
  scale: { domain: [0, 100] },
  axis: { title: null, tickCount: 5 },
} as const;

/** Room for the labels of an axis, in pixels, at most `limit`. */
export function labelWidth(labels: readonly string[], limit: number): number {
  return Math.min(limit, Math.max(0, ...labels.map((label) => 1.08 * textWidth(label, 12))));
}
