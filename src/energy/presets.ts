/** What an arithmetic operation costs, in picojoules. */
export interface EnergyPreset {
  readonly name: PresetName;
  /** Bits of a number, which decide what its memory takes. */
  readonly bits: number;
  readonly multiply: number;
  /** An addition: what a spike costs at a synapse (AC). */
  readonly add: number;
  readonly definition: string;
  readonly source: string;
}

/** All presets, by name. */
export const presetNames = ["fp32", "int32", "fp16", "int8"] as const;

/** The arithmetic of an {@link EnergyPreset}. */
export type PresetName = (typeof presetNames)[number];

const source =
  'M. Horowitz, "Computing\'s energy problem (and what we can do about it)", ISSCC 2014: 45 nm, 0.9 V';

function preset(name: PresetName, bits: number, multiply: number, add: number): EnergyPreset {
  const definition = `${name}: multiplication ${multiply} pJ, addition ${add} pJ`;
  return { name, bits, multiply, add, definition, source };
}

/** Published energies of arithmetic. */
export const presets: Readonly<Record<PresetName, EnergyPreset>> = {
  fp32: preset("fp32", 32, 3.7, 0.9),
  int32: preset("int32", 32, 3.1, 0.1),
  fp16: preset("fp16", 16, 1.1, 0.4),
  int8: preset("int8", 8, 0.2, 0.03),
};

/** A multiplication and an addition, pJ. */
export function multiplyAccumulate({ multiply, add }: EnergyPreset): number {
  return multiply + add;
}
