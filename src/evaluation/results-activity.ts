import { measuredActivity, type Activity } from "../energy/activity";
import type { Result } from "./results";
import type { ModelIdentity } from "./run-config";

/**
 * The activity of a run's target under one of its results, for energies: from what stands in the run's folder alone.
 *
 * @returns undefined if the target does not count spikes, or its connections were not recorded
 */
export function activityOf(
  { timesteps, layers, connections }: ModelIdentity,
  { spikes, synapses }: Pick<Result, "spikes" | "synapses">,
): Activity | undefined {
  if (timesteps === undefined || !layers || !connections || !spikes) return undefined;
  return measuredActivity(
    { timesteps, layers, connections },
    {
      spikes: spikes.map(({ perTimestep }) => perTimestep.reduce((sum, count) => sum + count, 0)),
      operations: synapses?.map(({ operations, operationsBySpikes }) => [operations, operationsBySpikes]),
    },
  );
}
