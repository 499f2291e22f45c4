import { HireSnnError } from "../errors";
import type { Activity } from "./activity";
import { annBaseline, quantisedAnnBaseline, sparseAnnBaseline, type Baseline } from "./baselines";
import { breakEvenRate, type BreakEvenRate } from "./break-even";
import { chips } from "./chips";
import { conventions, operationsUnder, type Borders, type ConventionName } from "./conventions";
import { annEnergyWithMemory, annWithMemory, energyWithMemory, memoryModels } from "./memory";
import { multiplyAccumulate, presets, type EnergyPreset, type PresetName } from "./presets";

/** How energies are computed. */
export interface EnergyOptions {
  /** @default "fp32" */
  readonly preset?: PresetName | undefined;
  /** @default "padded", as is usual */
  readonly borders?: Borders | undefined;
  /** Share of the ANN's activations that are zero, if it is known. */
  readonly annZeros?: number | undefined;
}

/** Energies of one network under every convention, side by side. Every number stands beside what it means. */
export interface EnergyComparison {
  readonly preset: EnergyPreset;
  readonly borders: Borders;
  /** Latency in time steps; that of the baselines is one. */
  readonly timesteps: number;
  /** Networks without spikes. */
  readonly baselines: readonly Baseline[];
  readonly energies: readonly ConventionEnergy[];
}

/** Energies under one convention. */
export interface ConventionEnergy extends ConventionName {
  readonly kind: "compute" | "memory" | "chip";
  /** Per image, for each activity that was given. */
  readonly picojoules: readonly number[];
  /** Id of the baseline that it is compared with: one that counts the same kind of cost. */
  readonly baseline: string;
  readonly breakEvenRate: BreakEvenRate;
}

/**
 * Energies of a network at several activities (clean, attacked, ...) under all conventions, and those of the networks without spikes
 * that it is compared with.
 *
 * @param activities of one model
 * @throws HireSnnError INVALID_ARGUMENT if there is none, or if exact borders are asked for and were not counted
 * @example
 * const { baselines, energies } = compareEnergies([syntheticActivity(model, 0.05)], { preset: "int8" });
 * for (const { label, picojoules } of energies) console.log(label, picojoules[0]);
 */
export function compareEnergies(
  activities: readonly Activity[],
  { preset: presetName = "fp32", borders = "padded", annZeros }: EnergyOptions = {},
): EnergyComparison {
  const [first] = activities;
  if (!first) throw new HireSnnError("INVALID_ARGUMENT", "Expected at least one activity but received none");
  const { model } = first;
  const preset = presets[presetName];
  const ann = annBaseline(model, preset, borders);
  const annMemory: Baseline = { ...annWithMemory, picojoules: annEnergyWithMemory(model, preset, borders) };

  const energyOf = (
    name: ConventionName,
    kind: ConventionEnergy["kind"],
    baseline: Baseline,
    energy: (activity: Activity) => number | undefined,
  ): ConventionEnergy => {
    const counted = (activity: Activity): number => {
      const picojoules = energy(activity);
      if (picojoules !== undefined) return picojoules;
      throw new HireSnnError(
        "INVALID_ARGUMENT",
        "Expected synaptic operations that were counted at borders but found none; padded counts need none",
      );
    };
    const { id, label, definition, source } = name;
    return {
      ...{ id, label, definition, source, kind, baseline: baseline.id },
      picojoules: activities.map(counted),
      breakEvenRate: breakEvenRate(model, counted, baseline.picojoules),
    };
  };

  return {
    ...{ preset, borders, timesteps: model.timesteps },
    baselines: [
      ann,
      ...(annZeros === undefined ? [] : [sparseAnnBaseline(model, preset, borders, annZeros)]),
      quantisedAnnBaseline(model, borders),
      annMemory,
    ],
    energies: [
      ...conventions.map((convention) =>
        energyOf(convention, "compute", ann, (activity) => {
          const operations = operationsUnder(convention, activity, borders);
          return operations && operations.macs * multiplyAccumulate(preset) + operations.acs * preset.add;
        }),
      ),
      ...memoryModels.map((name) =>
        energyOf(name, "memory", annMemory, (activity) =>
          energyWithMemory(activity, preset, borders, name.dataflow),
        ),
      ),
      ...chips.map((chip) =>
        energyOf(chip, "chip", annMemory, ({ connections }) =>
          connections.reduce<number | undefined>((sum, connection) => {
            const operations = connection[borders];
            if (sum === undefined || !operations) return undefined;
            const count = connection.input === "image" ? operations.dense : operations.byNonZero;
            return sum + count * chip.perOperation;
          }, 0),
        ),
      ),
    ],
  };
}
