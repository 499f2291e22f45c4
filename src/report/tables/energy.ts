import type { ConventionEnergy, EnergyComparison } from "../../energy/compare-energies";
import { energiesOf } from "../../evaluation/results-energy";
import type { LabelledRun } from "../labels";
import type { Cell, Section, Table } from "../report-model";
import { runColumn } from "./columns";

const kinds = { compute: "compute", memory: "with memory", chip: "chip" } as const;

/** Energy per image of each result, under every convention by its name, beside the networks without spikes. */
export function energySection(runs: readonly LabelledRun[]): Section | undefined {
  const parts = runs.flatMap((run) => {
    const energy = energiesOf(run.config.identity.target, run.results);
    return energy ? [{ run, energy }] : [];
  });
  const [first] = parts;
  if (!first) return undefined;
  const { preset, borders } = first.energy;
  return {
    id: "energy",
    title: "Energy",
    short: "Energy",
    text: [
      `Estimated energy of one image in nanojoules, ${preset.definition} (45 nm), operations ${borders === "padded" ? "with padding" : "inside borders"}. ` +
        "Conventions count differently, so that their numbers cannot be mixed: each row is one convention, and compares with the baseline that it " +
        "names. The break-even rate is the spikes per neuron and time step at which the network takes as much as that baseline.",
    ],
    tables: [
      ...parts.map(({ run, energy }, i) => energyTable(run, energy, i, parts.length > 1)),
      ...parts.map(({ run, energy }, i) => breakEvenTable(run, energy, i, parts.length > 1)),
      definitionsTable(first.energy),
    ],
  };
}

/** Long, so that CSV has the convention, preset and borders beside every number. */
function energyTable(run: LabelledRun, energy: EnergyComparison, i: number, several: boolean): Table {
  const common = { run: run.label, preset: energy.preset.name, borders: energy.borders };
  const baselines = energy.baselines.map(({ label, picojoules }) => ({
    ...common,
    ...{
      convention: label,
      kind: "without spikes",
      setting: "Without spikes",
      nanojoules: picojoules / 1000,
    },
  }));
  const spiking = energy.energies.flatMap(({ label, kind, picojoules }) =>
    picojoules.map((value, j) => ({
      ...common,
      ...{ convention: label, kind: kinds[kind], setting: run.settings[j]?.label ?? "" },
      nanojoules: value / 1000,
    })),
  );
  return {
    id: `energy-${i + 1}`,
    title: `Energy per image, nJ, by convention${several ? `: ${run.label}` : ""}`,
    pivot: { rows: "convention", columns: "setting", value: "nanojoules", fixed: true },
    folded: several && i > 0,
    columns: [
      runColumn,
      { key: "convention", title: "Convention", format: "text" },
      { key: "kind", title: "Kind", format: "text" },
      { key: "preset", title: "Arithmetic", format: "text" },
      { key: "borders", title: "Borders", format: "text" },
      { key: "setting", title: "Attack", format: "text" },
      { key: "nanojoules", title: "Energy, nJ", format: "decimal", significant: true, digits: 4 },
    ],
    rows: [...spiking, ...baselines],
  };
}

function breakEvenTable(run: LabelledRun, energy: EnergyComparison, i: number, several: boolean): Table {
  const baseline = (id: string): string => energy.baselines.find((each) => each.id === id)?.label ?? id;
  return {
    id: `break-even-${i + 1}`,
    title: `Break-even rates${several ? `: ${run.label}` : ""}`,
    folded: true,
    columns: [
      runColumn,
      { key: "convention", title: "Convention", format: "text" },
      { key: "baseline", title: "Compared with", format: "text" },
      { key: "timesteps", title: "Latency, time steps", format: "integer" },
      { key: "breakEvenRate", title: "Break-even rate, %", format: "percent" },
      { key: "whatever", title: "Whatever the rate", format: "text" },
    ],
    rows: energy.energies.map((each) => ({
      run: run.label,
      convention: each.label,
      baseline: baseline(each.baseline),
      timesteps: energy.timesteps,
      ...breakEven(each),
    })),
  };
}

function breakEven({ breakEvenRate: rate }: ConventionEnergy): Record<"breakEvenRate" | "whatever", Cell> {
  return typeof rate === "number"
    ? { breakEvenRate: rate, whatever: "" }
    : { breakEvenRate: null, whatever: rate === "always" ? "takes less" : "takes more" };
}

function definitionsTable({ energies, baselines }: EnergyComparison): Table {
  return {
    id: "energy-definitions",
    title: "What each convention counts, and where it comes from",
    folded: true,
    columns: [
      { key: "convention", title: "Convention", format: "text" },
      { key: "definition", title: "Counts", format: "text" },
      { key: "source", title: "Source", format: "text" },
    ],
    rows: [...energies, ...baselines].map(({ label, definition, source }) => ({
      convention: label,
      definition,
      source,
    })),
  };
}
