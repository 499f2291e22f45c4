import type { ConventionName } from "./conventions";

/** A neuromorphic chip by the energy of one synaptic operation. */
export interface Chip extends ConventionName {
  /** pJ, as published: with the chip's memory and network, in its own technology. */
  readonly perOperation: number;
}

const definition =
  "synaptic operations x the published energy of one; an input that is not zero makes an operation at each of its weights, and the first " +
  "layer's MACs count as operations at every time step";

function chip(label: string, perOperation: number, source: string): Chip {
  return {
    id: `chip-${label.toLowerCase()}`,
    label: `${label}, ${perOperation} pJ an operation`,
    ...{ definition, source, perOperation },
  };
}

/** Chips with a published energy per synaptic operation; what each figure covers differs, so they order roughly at best. */
export const chips: readonly Chip[] = [
  chip("Loihi", 23.6, 'M. Davies et al., "Loihi", IEEE Micro 2018: 14 nm, 23.6 pJ a synaptic operation'),
  chip("SpiNNaker2", 10, "S. Hoeppner et al., SpiNNaker2: 22 nm, 10 pJ a synaptic operation"),
  chip("ODIN", 12.7, "C. Frenkel et al., ODIN, IEEE TBioCAS 2019: 28 nm, 12.7 pJ a synaptic operation"),
  chip("Tianjic", 1.54, "J. Pei et al., Tianjic, Nature 2019: 28 nm, 1.54 pJ a synaptic operation"),
  chip("SENECA", 2.8, "G. Tang et al., SENECA, 2023: 22 nm, 2.8 pJ a synaptic operation"),
  chip("NeuronFlow", 20, "O. Moreira et al., NeuronFlow, 2020: 28 nm, 20 pJ a synaptic operation"),
];
