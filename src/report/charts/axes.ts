/** Accuracies along an axis, from 0 to 100 whatever the values: a cut axis makes small differences look large. */
export const percentAxis = {
  type: "quantitative",
  scale: { domain: [0, 100] },
  axis: { title: null, tickCount: 5 },
} as const;
