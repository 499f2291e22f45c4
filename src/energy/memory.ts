import { elementsOf } from "../networks/layer-sizes";
import { inputsOf, macsOfConnection } from "../networks/connections";
import type { Activity, SpikingModel } from "./activity";
import type { Borders, ConventionName } from "./conventions";
import { multiplyAccumulate, type EnergyPreset } from "./presets";

/** When membranes are read and written: with every event, or once a time step. */
export type Dataflow = "per-event" | "output-stationary";

/** SRAM of 45 nm, energy of one access: bytes and picojoules. M. Horowitz, ISSCC 2014, for 64 bits from a cache. */
const sram = [
  [8 * 1024, 10],
  [32 * 1024, 20],
  [1024 * 1024, 100],
] as const;

/**
 * Energy of reading or writing one number, pJ: linear between the published sizes, as in Lemaire et al.; a larger memory is taken as
 * banks of 1 MB, a smaller one as the smallest published.
 */
export function accessEnergy(bytes: number): number {
  const [[smallest, cheapest]] = sram;
  if (bytes <= smallest) return cheapest;
  for (let i = 1; i < sram.length; i++) {
    const [before, low] = sram[i - 1] as readonly [number, number];
    const [size, high] = sram[i] as readonly [number, number];
    if (bytes <= size) return low + ((high - low) * (bytes - before)) / (size - before);
  }
  return sram[sram.length - 1]?.[1] as number;
}

const lemaire =
  'E. Lemaire et al., "An analytical estimation of spiking neural networks energy efficiency", ICONIP 2022 (arXiv:2210.13107), with the ' +
  "SRAM of M. Horowitz, ISSCC 2014 (8 KB 10 pJ, 32 KB 20, 1 MB 100; linear between, larger memories in banks of 1 MB)";

const common =
  "operations; addressing (of each input spike 2 multiplications, in convolutions, and an addition for each synaptic operation); reads " +
  "of inputs, writes of spikes, a weight read for each synaptic operation; the image's layer is charged T times, and neurons their " +
  "leak, threshold and reset; behind a pool, an input that is not zero is one event; membranes are read and written ";

/** What names the energy with memory of each {@link Dataflow}. */
export const memoryModels: readonly (ConventionName & { readonly dataflow: Dataflow })[] = [
  {
    id: "memory-per-event",
    label: "with memory, per event",
    dataflow: "per-event",
    definition: `${common}for each synaptic operation, and once a time step`,
    source: lemaire,
  },
  {
    id: "memory-output-stationary",
    label: "with memory, output-stationary",
    dataflow: "output-stationary",
    definition: `${common}once a time step`,
    source: lemaire,
  },
];

/**
 * Energy of a spiking network with its memory, per image, in pJ.
 *
 * @returns undefined for exact borders where nothing was counted at them
 */
export function energyWithMemory(
  { model, layers, connections }: Activity,
  preset: EnergyPreset,
  borders: Borders,
  dataflow: Dataflow,
): number | undefined {
  const { timesteps } = model;
  const { multiply, add } = preset;
  const access = (numbers: number): number => accessEnergy((numbers * preset.bits) / 8);
  /** Spikes take a bit each. */
  const spikeAccess = (spikes: number): number => accessEnergy(spikes / 8);
  let sum = 0;
  for (const { connection, input, nonZeroInputs, ...counted } of connections) {
    const operations = counted[borders];
    if (!operations) return undefined;
    const outputs = elementsOf(connection.outputShape);
    const weight = access(weightsOf(connection));
    if (input === "image") {
      sum += operations.dense * (multiplyAccumulate(preset) + weight + access(inputsOf(connection)));
    } else {
      const events = operations.byNonZero;
      sum += events * (add + weight) + nonZeroInputs * spikeAccess(inputsOf(connection));
      sum += events * add + (connection.kind === "conv" ? nonZeroInputs * 2 * multiply : 0);
      if (dataflow === "per-event") sum += events * 2 * access(outputs);
    }
    if (!connection.shortcut) sum += timesteps * outputs * 2 * access(outputs);
  }
  for (const { layer, spikes, membraneUpdates } of layers) {
    if (layer.kind === "average-pool") continue;
    sum += membraneUpdates * (multiplyAccumulate(preset) + add);
    sum += spikes * (add + spikeAccess(layer.neurons));
  }
  return sum;
}

/** The ANN of the same layers in the same memory: of each MAC a weight and an input read, of each output a write. */
export const annWithMemory: ConventionName = {
  id: "ann-memory",
  label: "ANN with memory",
  definition: "one dense pass: MACs, for each a weight and an input read, for each output a write",
  source: lemaire,
};

/** Energy of the dense network of the same layers with its memory, per image, in pJ. */
export function annEnergyWithMemory(
  { connections }: SpikingModel,
  preset: EnergyPreset,
  borders: Borders,
): number {
  const access = (numbers: number): number => accessEnergy((numbers * preset.bits) / 8);
  return connections.reduce((sum, connection) => {
    const outputs = elementsOf(connection.outputShape);
    const perMac = multiplyAccumulate(preset) + access(weightsOf(connection)) + access(inputsOf(connection));
    const written = connection.shortcut ? 0 : outputs * access(outputs);
    return sum + macsOfConnection(connection, borders) * perMac + written;
  }, 0);
}

function weightsOf({
  kind,
  kernel = 1,
  inputShape,
  outputShape,
}: SpikingModel["connections"][number]): number {
  const [channels] = inputShape;
  const inputs = kind === "conv" ? channels * kernel * kernel : elementsOf(inputShape);
  return inputs * outputShape[0];
}
