import type { Activity, ConnectionCounts } from "./activity";
import { conventions, type Convention } from "./conventions";

/** Mean counts of one layer per image over all time steps: one row of a table. */
export interface LayerOperations {
  readonly name: string;
  /** The layer that a shortcut starts at, if the row is a shortcut's. */
  readonly shortcutFrom?: string;
  /** Absent in a row of the output or of a shortcut. */
  readonly neurons?: number;
  /** Of a pool: outputs that are not zero. */
  readonly spikes?: number;
  /** Spikes per neuron and time step. */
  readonly rate?: number;
  /** T x neurons. */
  readonly membraneUpdates?: number;
  /** Counts of a layer with weights; absent in a pool's row. */
  readonly weights?: WeightOperations;
}

/** Operations at a layer's weights. */
export interface WeightOperations {
  /** Over all time steps; the image is dense. */
  readonly nonZeroInputs: number;
  /** One for each input that is not zero and each neuron that it reaches, with padding; of the image MACs. */
  readonly padded: number;
  /** The same inside the borders; absent where it was not counted. */
  readonly exact?: number;
  /** Of one dense pass, with padding. */
  readonly denseMacs: number;
  /** As NeuroBench counts them, over all time steps: exact where that was counted, otherwise with padding. */
  readonly effectiveMacs: number;
  readonly effectiveAcs: number;
}

/** The layers of an activity in their order, with the output and, behind its layer, each shortcut that has weights. */
export function layerTable({ model, layers, connections }: Activity): LayerOperations[] {
  const rows = layers.flatMap(({ layer, spikes, rate, membraneUpdates }): LayerOperations[] => {
    const counts = { name: layer.name, neurons: layer.neurons, spikes, rate };
    if (layer.kind === "average-pool") return [counts];
    const [own, ...shortcuts] = connections.filter(({ connection }) => connection.to === layer.name);
    return [
      { ...counts, membraneUpdates, ...(own && { weights: weightOperations(own, model.timesteps) }) },
      ...shortcuts.map((shortcut) => ({
        name: layer.name,
        shortcutFrom: shortcut.connection.from,
        weights: weightOperations(shortcut, model.timesteps),
      })),
    ];
  });
  const output = connections.at(-1);
  if (!output || layers.some(({ layer }) => layer.name === output.connection.to)) return rows;
  return [...rows, { name: output.connection.to, weights: weightOperations(output, model.timesteps) }];
}

function weightOperations(counts: ConnectionCounts, timesteps: number): WeightOperations {
  const { nonZeroInputs, padded, exact } = counts;
  const neurobench = conventions.find(({ id }) => id === "neurobench") as Convention;
  const { macs, acs } = neurobench.count(counts, exact ?? padded);
  return {
    nonZeroInputs,
    padded: padded.byNonZero,
    ...(exact && { exact: exact.byNonZero }),
    denseMacs: padded.dense / timesteps,
    effectiveMacs: macs,
    effectiveAcs: acs,
  };
}
