import type { ConventionEnergy, EnergyComparison } from "../../energy/compare-energies";
import { whyWithoutEnergies } from "../../evaluation/results-activity";
import { energiesOf } from "../../evaluation/results-energy";
import type { LabelledRun } from "../labels";
import { representative } from "../representative";
import type { Cell, Column, Section, Table } from "../report-model";
import { runColumn } from "./columns";

const energyColumn: Column = {
  ...{ key: "nanojoules", title: "Energy, nJ", format: "decimal", significant: true, digits: 4 },
};

const kinds = { compute: "compute", memory: "with memory", chip: "chip" } as const;

const heading = { id: "energy", title: "Energy", short: "Energy" } as const;

/** Energy per image of each result, under every convention by its name, beside the networks without spikes. */
export function energySection(runs: readonly LabelledRun[]): Section | undefined {
  const parts = runs.flatMap((run) => {
    const energy = energiesOf(run.config.identity.target, run.results);
    return energy ? [{ run, energy }] : [];
  });
  const [first] = parts;
  // Of a spiking network the reader looks for energies, and is told why there are none.
  const rateCoded = runs.some(({ config }) => config.identity.target["coding"] === "rate");
  if (!first) return rateCoded ? { ...heading, text: leftOut(runs) } : undefined;
  const { preset, borders } = first.energy;
  return {
    ...heading,
    text: [
      `Estimated energy of one image in nanojoules, ${preset.definition} (45 nm), operations ${borders === "padded" ? "with padding" : "inside borders"}. ` +
        "Conventions count differently, so that their numbers cannot be mixed: each row is one convention, and compares with the baseline that it " +
        "names. The break-even rate is the spikes per neuron and time step at which the network takes as much as that baseline.",
      ...leftOut(runs),
    ],
    tables: [
      ...parts.map(({ run, energy }, i) => energyTable(run, energy, i, parts.length > 1)),
      baselinesTable(parts),
      ...parts.map(({ run, energy }, i) => breakEvenTable(run, energy, i, parts.length > 1)),
      definitionsTable(first.energy),
    ],
  };
}

/** A sentence for each reason for which runs have no energies. */
function leftOut(runs: readonly LabelledRun[]): string[] {
  const byReason = new Map<string, string[]>();
  for (const { config, label } of runs) {
    const reason = whyWithoutEnergies(config.identity.target);
    if (reason !== undefined) byReason.set(reason, [...(byReason.get(reason) ?? []), label]);
  }
  return [...byReason].map(([reason, labels]) => `Left out: ${labels.join("; ")}: ${reason}.`);
}

/** Long, so that CSV has the convention, preset and borders beside every number. */
function energyTable(run: LabelledRun, energy: EnergyComparison, i: number, several: boolean): Table {
  const shown = representative(run.settings).map(({ label }) => label);
  const all = shown.length === run.settings.length;
  return {
    id: `energy-${i + 1}`,
    title: `Energy per image, nJ, by convention${several ? `: ${run.label}` : ""}${all ? "" : " (all attacks: JSON, CSV)"}`,
    pivot: { rows: "convention", columns: "setting", value: "nanojoules", fixed: true, shown },
    folded: several && i > 0,
    columns: [
      runColumn,
      { key: "convention", title: "Convention", format: "text" },
      { key: "kind", title: "Kind", format: "text" },
      { key: "preset", title: "Arithmetic", format: "text" },
      { key: "borders", title: "Borders", format: "text" },
      { key: "setting", title: "Attack", format: "text" },
      energyColumn,
    ],
    rows: energy.energies.flatMap(({ label, kind, picojoules }) =>
      picojoules.map((value, j) => ({
        ...{ run: run.label, convention: label, kind: kinds[kind] },
        ...{ preset: energy.preset.name, borders: energy.borders },
        ...{ setting: run.settings[j]?.label ?? "", nanojoules: value / 1000 },
      })),
    ),
  };
}

/** The networks without spikes; of several runs as a matrix. */
function baselinesTable(parts: readonly { run: LabelledRun; energy: EnergyComparison }[]): Table {
  return {
    id: "energy-baselines",
    title: "The same layers without spikes, one pass, nJ",
    ...(parts.length > 1 && {
      pivot: { rows: "convention", columns: "run", value: "nanojoules" },
    }),
    columns: [runColumn, { key: "convention", title: "Baseline", format: "text" }, energyColumn],
    rows: parts.flatMap(({ run, energy }) =>
      energy.baselines.map(({ label, picojoules }) => ({
        ...{ run: run.label, convention: label, nanojoules: picojoules / 1000 },
      })),
    ),
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
