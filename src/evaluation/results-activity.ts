import { measuredActivity, type Activity } from "../energy/activity";
import type { Result } from "./results";
import type { ModelIdentity } from "./run-config";

/**
 * Why a run's target has no activity that energies follow from, as the end of a sentence; undefined if it has.
 *
 * Under rate coding the first layer's operations are additions, as many as the input has spikes (each with a sign), and those are not
 * counted: taking the image for a dense input of multiplications would charge an operation that does not take place.
 */
export function whyWithoutEnergies(
  target: Pick<ModelIdentity, "timesteps" | "layers" | "connections"> & Readonly<Record<string, unknown>>,
): string | undefined {
  if (target["kind"] === "ann") return "it is an ANN, and the conventions are those of spiking networks";
  if (target["coding"] === "rate") {
    return "under rate coding the first layer makes additions at the spikes of its input, which are not counted";
  }
  const { timesteps, layers, connections } = target;
  return timesteps !== undefined && layers && connections ? undefined : "its spikes cannot be counted";
}

/**
 * The activity of a run's target under one of its results, for energies: from what stands in the run's folder alone.
 *
 * @returns undefined if the target has none (see {@link whyWithoutEnergies}), or the result no spikes
 */
export function activityOf(
  target: ModelIdentity,
  { spikes, synapses }: Pick<Result, "spikes" | "synapses">,
): Activity | undefined {
  const { timesteps, layers, connections } = target;
  if (whyWithoutEnergies(target) !== undefined) return undefined;
  if (timesteps === undefined || !layers || !connections || !spikes) return undefined;
  return measuredActivity(
    { timesteps, layers, connections },
    {
      spikes: spikes.map(({ perTimestep }) => perTimestep.reduce((sum, count) => sum + count, 0)),
      operations: synapses?.map(({ operations, operationsBySpikes }) => [operations, operationsBySpikes]),
    },
  );
}
