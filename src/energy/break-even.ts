import { syntheticActivity, type Activity, type SpikingModel } from "./activity";

/** The rate of all neurons below which a spiking network takes less than its baseline; or whatever the rate, always or never. */
export type BreakEvenRate = number | "always" | "never";

/**
 * Finds the rate, the same in all layers, at which a growing energy meets that of a baseline.
 *
 * @param energy of the network at an activity, pJ; must not fall as rates grow
 */
export function breakEvenRate(
  model: SpikingModel,
  energy: (activity: Activity) => number,
  baseline: number,
): BreakEvenRate {
  const at = (rate: number): number => energy(syntheticActivity(model, rate));
  if (at(0) >= baseline) return "never";
  if (at(1) < baseline) return "always";
  let [below, above] = [0, 1];
  // 2^-40 of a rate is far below what any count tells apart.
  for (let i = 0; i < 40; i++) {
    const middle = (below + above) / 2;
    if (at(middle) < baseline) below = middle;
    else above = middle;
  }
  return below;
}
