import { HireSnnError } from "../errors";
import type { CountedLayer } from "../classifiers/classifier";
import { countedLayersOf } from "../classifiers/counted-layers";
import { connectionsOf, inputsOf, macsOfConnection, type Connection } from "../networks/connections";
import type { Network } from "../networks/network";

/** What energies are computed of; a run's identity holds it. */
export interface SpikingModel {
  readonly timesteps: number;
  /** All layers but the output, in order. */
  readonly layers: readonly CountedLayer[];
  /** All connections, the image's first. */
  readonly connections: readonly Connection[];
}

/** What energies need of a network. */
export function spikingModel(network: Network, timesteps: number): SpikingModel {
  return { timesteps, layers: countedLayersOf(network), connections: connectionsOf(network) };
}

/** Mean activity of a {@link SpikingModel} per image, over all its time steps: measured, or made of rates. */
export interface Activity {
  readonly model: SpikingModel;
  readonly layers: readonly LayerCounts[];
  /** In the order of the model's. */
  readonly connections: readonly ConnectionCounts[];
}

/** What the neurons of one layer do, or the outputs of a pool. */
export interface LayerCounts {
  readonly layer: CountedLayer;
  /** Spikes; of a pool, outputs that are not zero. */
  readonly spikes: number;
  /** The same per neuron and time step, from 0 to 1. */
  readonly rate: number;
  /** T x neurons; none in a pool. */
  readonly membraneUpdates: number;
}

/** What comes in through one connection. */
export interface ConnectionCounts {
  readonly connection: Connection;
  /** The image's pixels are numbers; spikes are 0 or 1; what is behind a pool is a mean of spikes. */
  readonly input: "image" | "spikes" | "means";
  /** Of T x inputs; the image counts as dense. */
  readonly nonZeroInputs: number;
  /** With the padding's zeros. */
  readonly padded: OperationCounts;
  /** Inside the borders; absent where it was not counted. */
  readonly exact?: OperationCounts;
}

/** Operations at the weights of one connection, per image, under the readings that conventions differ in. */
export interface OperationCounts {
  /** T x the multiply-accumulates of a dense pass. */
  readonly dense: number;
  /** One for each input that is not zero and each neuron that it reaches. */
  readonly byNonZero: number;
  /** One for each spike of a neuron and each neuron that it reaches; behind a pool all four neurons of a window count. */
  readonly bySpikes: number;
  /** T x the rate of the neurons in front of the pool x the dense multiply-accumulates: a quarter of `bySpikes` for each pool. */
  readonly byRateBeforePool: number;
}

/** Mean counts per image. */
export interface MeasuredCounts {
  /** Of each layer of the model: spikes, or a pool's outputs that are not zero, over all time steps. */
  readonly spikes: readonly number[];
  /**
   * Of each connection but the image's: synaptic operations, exact at borders, by inputs that are not zero and by spikes. Absent
   * where they were not counted.
   */
  readonly operations?: readonly (readonly [byNonZero: number, bySpikes: number])[] | undefined;
}

/**
 * The activity that was counted.
 *
 * @throws HireSnnError INVALID_ARGUMENT if there are not as many counts as layers or connections, or a layer has more spikes than
 *   neurons and time steps
 */
export function measuredActivity(model: SpikingModel, { spikes, operations }: MeasuredCounts): Activity {
  checkCount(spikes, model.layers.length, "spikes");
  if (operations) checkCount(operations, model.connections.length - 1, "operations");
  const rates = model.layers.map(({ neurons }, i) => (spikes[i] as number) / (neurons * model.timesteps));
  return activityOf(model, rates, operations);
}

/**
 * The activity at given rates, as if neurons fired independently of each other: behind a 2x2 pool of neurons with rate d, an output is
 * not zero at rate 1 - (1 - d)^4. Inputs at a border are as active as others.
 *
 * @param rates one for all layers of neurons, or one for each in order; from 0 to 1
 * @throws HireSnnError INVALID_ARGUMENT if there are not as many rates as layers of neurons, or one is not from 0 to 1
 */
export function syntheticActivity(model: SpikingModel, rates: number | readonly number[]): Activity {
  const neuronLayers = model.layers.filter(({ kind }) => kind !== "average-pool").length;
  const given = typeof rates === "number" ? Array<number>(neuronLayers).fill(rates) : rates;
  checkCount(given, neuronLayers, "rates");
  let next = 0;
  let before = 0;
  const byLayer = model.layers.map(({ kind }) => {
    before = kind === "average-pool" ? 1 - (1 - before) ** 4 : (given[next++] as number);
    return before;
  });
  const exact = model.connections.slice(1).map((connection): [number, number] => {
    const dense = model.timesteps * macsOfConnection(connection, "exact");
    const rateOf = (name: string): number => byLayer[indexOf(model, name)] as number;
    return [rateOf(connection.from) * dense, rateOf(connection.neurons) * 4 ** connection.pools * dense];
  });
  return activityOf(model, byLayer, exact);
}

function activityOf(
  model: SpikingModel,
  rates: readonly number[],
  exact: MeasuredCounts["operations"],
): Activity {
  const { timesteps } = model;
  const layers = model.layers.map((layer, i): LayerCounts => {
    const rate = rates[i] as number;
    if (!(rate >= 0 && rate <= 1)) {
      throw new HireSnnError(
        "INVALID_ARGUMENT",
        `Expected a rate from 0 to 1 for the layer ${layer.name} but received ${rate}`,
      );
    }
    const steps = timesteps * layer.neurons;
    return {
      ...{ layer, rate, spikes: rate * steps },
      membraneUpdates: layer.kind === "average-pool" ? 0 : steps,
    };
  });
  const connections = model.connections.map((connection, i): ConnectionCounts => {
    const dense = {
      padded: timesteps * macsOfConnection(connection, "padded"),
      exact: timesteps * macsOfConnection(connection, "exact"),
    };
    const inputs = timesteps * inputsOf(connection);
    if (i === 0) {
      const all = (macs: number): OperationCounts => ({
        ...{ dense: macs, byNonZero: macs, bySpikes: macs, byRateBeforePool: macs },
      });
      return {
        ...{ connection, input: "image", nonZeroInputs: inputs },
        ...{ padded: all(dense.padded), exact: all(dense.exact) },
      };
    }
    const rate = rates[indexOf(model, connection.from)] as number;
    const neuronRate = rates[indexOf(model, connection.neurons)] as number;
    const spikesOfOne = 4 ** connection.pools;
    const counted = exact?.[i - 1];
    return {
      connection,
      input: connection.pools > 0 ? "means" : "spikes",
      nonZeroInputs: rate * inputs,
      padded: {
        dense: dense.padded,
        byNonZero: rate * dense.padded,
        bySpikes: neuronRate * spikesOfOne * dense.padded,
        byRateBeforePool: neuronRate * dense.padded,
      },
      ...(counted && {
        exact: {
          dense: dense.exact,
          byNonZero: counted[0],
          bySpikes: counted[1],
          byRateBeforePool: counted[1] / spikesOfOne,
        },
      }),
    };
  });
  return { model, layers, connections };
}

function indexOf({ layers }: SpikingModel, name: string): number {
  const index = layers.findIndex((layer) => layer.name === name);
  if (index >= 0) return index;
  const names = layers.map((layer) => layer.name).join(", ");
  throw new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected one of ${names} where a connection starts but found ${name}`,
  );
}

function checkCount(found: readonly unknown[], expected: number, name: string): void {
  if (found.length === expected) return;
  throw new HireSnnError("INVALID_ARGUMENT", `Expected ${expected} ${name} but received ${found.length}`);
}
