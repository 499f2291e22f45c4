import { HireSnnError } from "../errors";
import { macsOfConnection } from "../networks/connections";
import type { SpikingModel } from "./activity";
import type { Borders, ConventionName } from "./conventions";
import { multiplyAccumulate, presets, type EnergyPreset } from "./presets";

/** A network without spikes that a spiking one is compared with: the same layers, one pass. */
export interface Baseline extends ConventionName {
  /** Per image. */
  readonly picojoules: number;
}

/** The dense network of the same layers. */
export function annBaseline(model: SpikingModel, preset: EnergyPreset, borders: Borders): Baseline {
  return {
    id: "ann",
    label: "ANN",
    definition: "one dense pass: every MAC at E_mac",
    source: preset.source,
    picojoules: denseMacs(model, borders) * multiplyAccumulate(preset),
  };
}

/**
 * The same where products with zeros are skipped.
 *
 * @param zeros share of the inputs behind the first layer that are zero, from 0 to 1
 * @throws HireSnnError INVALID_ARGUMENT if `zeros` is outside
 */
export function sparseAnnBaseline(
  model: SpikingModel,
  preset: EnergyPreset,
  borders: Borders,
  zeros: number,
): Baseline {
  if (!(zeros >= 0 && zeros <= 1)) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected a share from 0 to 1 of zero inputs but received ${zeros}`,
    );
  }
  const [image, ...others] = model.connections;
  const first = image ? macsOfConnection(image, borders) : 0;
  const rest = others.reduce((sum, connection) => sum + macsOfConnection(connection, borders), 0);
  return {
    id: "ann-sparse",
    label: `ANN, ${100 * zeros} % of its activations zero`,
    definition: "one pass without the products with zeros that ReLU leaves; the first layer is dense",
    source: preset.source,
    picojoules: (first + (1 - zeros) * rest) * multiplyAccumulate(preset),
  };
}

/** Bits that tell as many levels apart as a neuron has spike counts over the time steps: ceil(log2(T + 1)). */
export function equivalentBits(timesteps: number): number {
  return Math.ceil(Math.log2(timesteps + 1));
}

/**
 * A quantised network whose activations and weights have {@link equivalentBits}. Its operations are scaled from the published ones of 8
 * bits: an addition as the bits, a multiplication as their square (which gives 3.3 pJ for the 3.2 pJ published at 32 bits).
 */
export function quantisedAnnBaseline(model: SpikingModel, borders: Borders): Baseline {
  const bits = equivalentBits(model.timesteps);
  const { multiply, add, source } = presets.int8;
  const share = bits / 8;
  return {
    id: "ann-quantised",
    label: `ANN of ${bits} bits`,
    definition:
      `one dense pass with integers of ceil(log2(T + 1)) = ${bits} bits; an addition costs as many eighths of the one of 8 bits, a ` +
      "multiplication the square of that",
    source: `${source}; the number of bits: Z. Yan et al., "Reconsidering the energy efficiency of spiking neural networks", arXiv:2409.08290`,
    picojoules: denseMacs(model, borders) * (multiply * share ** 2 + add * share),
  };
}

function denseMacs({ connections }: SpikingModel, borders: Borders): number {
  return connections.reduce((sum, connection) => sum + macsOfConnection(connection, borders), 0);
}
