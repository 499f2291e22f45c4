import { lineChart } from "../charts/line-chart";
import type { LabelledRun } from "../labels";
import { representative } from "../representative";
import type { Section } from "../report-model";
import { attackColumn, intervalColumn } from "./columns";

/** Accuracy and activity against the time steps T, where one network was run at several. */
export function timestepsSection(runs: readonly LabelledRun[]): Section | undefined {
  const groups = new Map<string, LabelledRun[]>();
  for (const run of runs) {
    if (run.config.identity.target.timesteps === undefined) continue;
    const key = withoutTimesteps(run);
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  const several = [...groups.values()].filter(
    (group) => new Set(group.map(timestepsOf)).size === group.length && group.length > 1,
  );
  if (several.length === 0) return undefined;
  const rows = several.flatMap((group) => {
    const name = groupName(group);
    return [...group]
      .sort((a, b) => timestepsOf(a) - timestepsOf(b))
      .flatMap((run) =>
        run.settings.map(({ label, result }) => ({
          run: name,
          attack: label,
          timesteps: timestepsOf(run),
          accuracy: result.top1,
          interval: result.interval,
          spikesPerNeuron: spikesPerNeuron(result.spikes, timestepsOf(run)),
          samples: result.n,
        })),
      );
  });
  const shown = new Set(
    several.flatMap((group) => representative(group.at(-1)?.settings ?? []).map(({ label }) => label)),
  );
  const plotted = rows.filter(({ attack }) => shown.has(attack));
  const choice =
    shown.size < new Set(rows.map(({ attack }) => attack)).size
      ? " Of attacks at several ε, the one closest to 8/255; the table has all."
      : "";
  return {
    id: "timesteps",
    title: "Accuracy and activity against T",
    short: "T",
    charts: [
      lineChart({
        id: "timesteps-accuracy",
        title: "Accuracy, %, by time steps T",
        caption: `Bars are 95 % intervals. T is also the latency: so many passes are needed before the network answers.${choice}`,
        xTitle: "time steps T",
        points: plotted.map(({ timesteps, accuracy, interval: [low, high], attack, run }) => ({
          ...{ x: timesteps, y: accuracy, low, high, series: attack, panel: run },
        })),
        percent: true,
      }),
      lineChart({
        id: "timesteps-activity",
        title: "Spikes per neuron and image, by time steps T",
        caption:
          "Spikes of all spiking layers over all time steps, divided by their neurons; pools have none of their own. Lower costs less energy on " +
          "hardware that computes on spikes.",
        xTitle: "time steps T",
        points: plotted.flatMap(({ timesteps, spikesPerNeuron: y, attack, run }) =>
          y === null ? [] : [{ x: timesteps, y, series: attack, panel: run }],
        ),
        percent: false,
      }),
    ],
    tables: [
      {
        id: "timesteps",
        title: "Accuracy and activity by time steps",
        folded: true,
        columns: [
          { key: "run", title: "Network", format: "text", onlyIfDifferent: true },
          attackColumn,
          { key: "timesteps", title: "T", format: "integer" },
          { key: "accuracy", title: "Top-1, %", format: "percent" },
          intervalColumn,
          { key: "spikesPerNeuron", title: "Spikes per neuron", format: "decimal", digits: 3 },
          { key: "samples", title: "Images", format: "integer" },
        ],
        rows,
      },
    ],
  };
}

function timestepsOf({ config }: LabelledRun): number {
  return config.identity.target.timesteps ?? 0;
}

/** What two runs share that differ in the time steps of their networks alone. */
function withoutTimesteps({ config: { identity } }: LabelledRun): string {
  const model = (part: Record<string, unknown> | null): unknown =>
    part && {
      ...part,
      timesteps: undefined,
      kernels: undefined,
      libtorch: undefined,
      instructionSet: undefined,
    };
  const { target, source, dataset, attacks, seed } = identity;
  return JSON.stringify([model(target), model(source), dataset, attacks.map(({ id }) => id), seed]);
}

/** What all labels of a group begin with. */
function groupName(group: readonly LabelledRun[]): string {
  const parts = group.map(({ label }) => label.split(", "));
  return (parts[0] ?? []).filter((part) => parts.every((other) => other.includes(part))).join(", ");
}

/** Over all spiking layers and time steps, of one image; null without counts. */
export function spikesPerNeuron(
  layers: LabelledRun["results"][number]["spikes"],
  timesteps: number,
): number | null {
  const spiking = layers?.filter(({ kind }) => kind !== "average-pool") ?? [];
  const neurons = spiking.reduce((sum, layer) => sum + layer.neurons, 0);
  if (neurons === 0) return null;
  return spiking.reduce((sum, { rate, neurons: count }) => sum + rate * timesteps * count, 0) / neurons;
}
