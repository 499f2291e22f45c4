import type { Activity, ConnectionCounts, OperationCounts } from "./activity";

/** Whether operations with the padding's zeros are counted, as is usual, or only those that take place. */
export type Borders = "padded" | "exact";

/** Operations of a network per image. */
export interface Operations {
  /** Multiplications with an addition each. */
  readonly macs: number;
  /** Additions of a weight. */
  readonly acs: number;
}

/** What names a way of counting wherever its figures stand. */
export interface ConventionName {
  readonly id: string;
  /** Short, for a table. */
  readonly label: string;
  readonly definition: string;
  readonly source: string;
}

/** A way of counting the operations of a spiking network. */
export interface Convention extends ConventionName {
  /** Of one connection, from its operations with or without the padding. */
  readonly count: (connection: ConnectionCounts, operations: OperationCounts) => Operations;
}

const ac = (acs: number): Operations => ({ macs: 0, acs });
const mac = (macs: number): Operations => ({ macs, acs: 0 });

/** The common part: spikes cost an addition; what differs is the image and what lies behind a pool. */
function convention(
  name: ConventionName,
  image: "once" | "each step",
  behindPool: (operations: OperationCounts) => Operations,
): Convention {
  return {
    ...name,
    count({ input, nonZeroInputs, connection }, operations) {
      if (input === "spikes") return ac(operations.byNonZero);
      if (input === "means") return behindPool(operations);
      const [channels, height, width] = connection.inputShape;
      const timesteps = nonZeroInputs / (channels * height * width);
      return mac(image === "once" ? operations.dense / timesteps : operations.dense);
    },
  };
}

const hire =
  'S. Kundu, M. Pedram, P. A. Beerel, "HIRE-SNN", ICCV 2021: operations x E_mac in the first layer, operations x activity of the ' +
  "input x E_ac in the others";
const rateBeforePool = "behind a pool, T x the rate of the neurons in front of it x MACs are ACs";
const activityOfPool = "behind a pool, T x the share of its outputs that are not zero x MACs are ACs";
const once = "the first layer is charged once";
const eachStep = "the first layer is charged at every time step";

/** Every way of counting compute energy, in the order of a table. */
export const conventions: readonly Convention[] = [
  convention(
    {
      id: "paper-rate-once",
      label: "paper, rate before pool, first layer once",
      definition: `MACs in the first layer, ACs elsewhere; ${once}; ${rateBeforePool}`,
      source: hire,
    },
    "once",
    ({ byRateBeforePool }) => ac(byRateBeforePool),
  ),
  convention(
    {
      id: "paper-rate-each-step",
      label: "paper, rate before pool, first layer T times",
      definition: `MACs in the first layer, ACs elsewhere; ${eachStep}; ${rateBeforePool}`,
      source: hire,
    },
    "each step",
    ({ byRateBeforePool }) => ac(byRateBeforePool),
  ),
  convention(
    {
      id: "paper-pool-once",
      label: "paper, pool's activity, first layer once",
      definition: `MACs in the first layer, ACs elsewhere; ${once}; ${activityOfPool}`,
      source: `${hire}; the published code counts a pool's outputs that are not zero`,
    },
    "once",
    ({ byNonZero }) => ac(byNonZero),
  ),
  convention(
    {
      id: "paper-pool-each-step",
      label: "paper, pool's activity, first layer T times",
      definition: `MACs in the first layer, ACs elsewhere; ${eachStep}; ${activityOfPool}`,
      source: `${hire}; the published code counts a pool's outputs that are not zero`,
    },
    "each step",
    ({ byNonZero }) => ac(byNonZero),
  ),
  convention(
    {
      id: "sinabs",
      label: "Sinabs",
      definition: `MACs in the first layer, ACs elsewhere; ${eachStep}; behind a pool, every spike in front of it is an event`,
      source:
        "Sinabs (SynSense), SNNAnalyzer: synaptic operations are the spikes that arrive x their fan-out; pools pass spikes on",
    },
    "each step",
    ({ bySpikes }) => ac(bySpikes),
  ),
  convention(
    {
      id: "neurobench",
      label: "NeuroBench",
      definition: `inputs that are not zero, MACs where they are not binary, ACs where they are; ${eachStep}; behind a pool, MACs`,
      source:
        'J. Yik et al., "The NeuroBench framework for benchmarking neuromorphic computing algorithms and systems", Nature ' +
        "Communications 2025: effective MACs and effective ACs",
    },
    "each step",
    ({ byNonZero }) => mac(byNonZero),
  ),
  convention(
    {
      id: "syops",
      label: "syops, SpikingJelly",
      definition: `layers with binary inputs make ACs of their spikes, others are dense; ${eachStep}; behind a pool, T x MACs`,
      source:
        "syops-counter (G. Chen et al., 2023) and SpikingJelly's operation counters: an input that is not binary makes a layer's " +
        "operations MACs, all of them",
    },
    "each step",
    ({ dense }) => mac(dense),
  ),
];

/**
 * Operations of a network under a convention.
 *
 * @returns undefined for exact borders where nothing was counted at them
 */
export function operationsUnder(
  { count }: Convention,
  { connections }: Pick<Activity, "connections">,
  borders: Borders,
): Operations | undefined {
  let macs = 0;
  let acs = 0;
  for (const connection of connections) {
    const operations = connection[borders];
    if (!operations) return undefined;
    const counted = count(connection, operations);
    macs += counted.macs;
    acs += counted.acs;
  }
  return { macs, acs };
}
