import { compareEnergies, type EnergyComparison, type EnergyOptions } from "../energy/compare-energies";
import type { Result } from "./results";
import { activityOf } from "./results-activity";
import type { ModelIdentity } from "./run-config";

/**
 * Energies of a run's target under all of its results, in their order.
 *
 * @returns undefined if there are no results, or the target has no activity that energies follow from: it does not count spikes, is an
 *   ANN, or is rate-coded (see `whyWithoutEnergies`)
 * @throws HireSnnError INVALID_ARGUMENT if exact borders are asked for and were not counted
 */
export function energiesOf(
  target: ModelIdentity,
  results: readonly Result[],
  options?: EnergyOptions,
): EnergyComparison | undefined {
  const activities = results.flatMap((result) => activityOf(target, result) ?? []);
  if (activities.length === 0 || activities.length < results.length) return undefined;
  return compareEnergies(activities, options);
}
