import { activityChart } from "../charts/activity-chart";
import { isAnn, type LabelledRun, type Setting } from "../labels";
import type { Section, Table } from "../report-model";
import { runColumn } from "./columns";

/** Spikes layer by layer beside the accuracy under attack, in the layout of figure 1 of the HIRE-SNN paper. */
export function activitySection(runs: readonly LabelledRun[]): Section | undefined {
  const counted = runs.filter(({ settings }) => settings.some(({ result }) => result.spikes));
  if (counted.length === 0) return undefined;
  const rows = counted.flatMap(({ settings }) => settings).flatMap(layerRows);
  return {
    id: "activity",
    title: "Activity",
    short: "Activity",
    charts: [activityChart(counted)],
    tables: [
      ...counted.map(
        (run, i) =>
          ({
            id: `activity-${i + 1}`,
            title: `${isAnn(run) ? "Share of outputs that are not zero" : "Spikes per neuron and image"}${counted.length > 1 ? `: ${run.label}` : ""}`,
            folded: true,
            pivot: { rows: "layer", columns: "setting", value: "spikesPerNeuron" },
            columns: [
              runColumn,
              { key: "layer", title: "Layer", format: "text" },
              { key: "kind", title: "Kind", format: "text" },
              { key: "neurons", title: "Neurons", format: "integer" },
              { key: "setting", title: "Attack", format: "text" },
              { key: "spikesPerNeuron", title: "Spikes per neuron", format: "decimal", digits: 3 },
              { key: "rate", title: "Rate per step", format: "percent" },
            ],
            rows: rows.filter((row) => row.run === run.label) as unknown as Table["rows"],
          }) satisfies Table,
      ),
    ],
  };
}

export interface LayerRow {
  readonly run: string;
  readonly layer: string;
  readonly kind: string;
  readonly neurons: number;
  readonly setting: string;
  /** Over all time steps, of one image. */
  readonly spikesPerNeuron: number;
  /** Per neuron and time step. */
  readonly rate: number;
}

export function layerRows({ run, label, result }: Setting): LayerRow[] {
  return (result.spikes ?? []).map(({ name, kind, neurons, rate, perTimestep }) => ({
    ...{ run: run.label, layer: name, kind, neurons, setting: label },
    ...{ spikesPerNeuron: rate * perTimestep.length, rate },
  }));
}
