import { isAnn, type LabelledRun, type Setting } from "../labels";
import type { Chart } from "../report-model";
import { representative } from "../representative";
import { layerRows } from "../tables/activity";
import { percentAxis } from "./axes";
import { columnsOf } from "./line-chart";
import { seriesEncoding } from "./theme";

/** More would make the bars of a layer too thin to compare. */
const mostBars = 4;

/**
 * Left the spikes of each layer, right the accuracies under attack, in the same colours: of several runs their clean activity, of one
 * run clean images and the strongest attacks.
 */
export function activityChart(runs: readonly LabelledRun[]): Chart {
  const several = runs.length > 1;
  const compared: { name: string; setting: Setting; accuracies: readonly Setting[] }[] = several
    ? runs.slice(0, mostBars).flatMap((run) => {
        const clean = run.settings.find(({ attack }) => attack === null);
        return clean ? [{ name: run.label, setting: clean, accuracies: run.settings }] : [];
      })
    : representative((runs[0] as LabelledRun).settings)
        .slice(0, mostBars + 1)
        .map((setting) => ({
          name: setting.label,
          setting,
          accuracies: [setting],
        }));
  const anns = runs.filter(isAnn).length;
  const counts = anns === runs.length ? "Share of outputs that are not zero" : "Spikes per neuron and image";
  const names = compared.map(({ name }) => name);
  const activity = compared.flatMap(({ name, setting }) =>
    layerRows(setting).map(({ layer, spikesPerNeuron }) => ({
      series: name,
      layer,
      spikes: spikesPerNeuron,
    })),
  );
  const accuracy = compared.flatMap(({ name, accuracies }) =>
    representative(accuracies).map(({ label, result }) => ({
      ...{ series: name, attack: label, accuracy: 100 * result.top1 },
      ...{ low: 100 * result.interval[0], high: 100 * result.interval[1] },
    })),
  );
  return {
    id: "activity",
    title:
      anns === runs.length ? "Outputs that are not zero, and accuracy" : "Spikes per neuron, and accuracy",
    caption:
      (anns === runs.length
        ? "First plot: share of the outputs that are not zero, layer by layer from the input on: an ANN has no spikes. Second "
        : `First plot: spikes per neuron and image over all time steps, layer by layer from the input on; of a pool${anns > 0 ? " or an ANN" : ""}, outputs that are not zero. Second `) +
      `plot: top-1 in per cent${several ? " of the same networks, clean and under attack" : " on the same images"}, with 95 % intervals. It is the layout of figure 1 of the HIRE-SNN paper.` +
      (several ? " Activity is on clean images." : "") +
      (runs.length > mostBars ? ` The first ${mostBars} runs; tables have all.` : ""),
    spec: (width) => {
      const narrow = width < 500;
      const { color } = seriesEncoding("series", names, columnsOf(names, width));
      const axisX = {
        title: null,
        labelAngle: -45,
        labelLimit: 190,
        labelAlign: "right",
        labelBaseline: "top",
      };
      const bar = { type: "bar", cornerRadiusEnd: 1 };
      const spikes = {
        data: { values: activity },
        title: { text: counts, fontSize: 12 },
        width: narrow ? width - 50 : 0.58 * width - 44,
        height: narrow ? 160 : 220,
        mark: bar,
        encoding: {
          x: { field: "layer", type: "nominal", sort: null, axis: axisX, scale: { paddingInner: 0.25 } },
          xOffset: { field: "series", sort: names },
          y: { field: "spikes", type: "quantitative", axis: { title: null, tickCount: 5 } },
          color,
        },
      };
      const x = { field: "attack", type: "nominal", sort: null, axis: axisX, scale: { paddingInner: 0.3 } };
      const offset = several ? { xOffset: { field: "series", sort: names } } : {};
      const attacks = {
        data: { values: accuracy },
        title: { text: "Top-1 accuracy, %", fontSize: 12 },
        width: narrow ? width - 50 : 0.42 * width - 60,
        height: narrow ? 160 : 220,
        layer: [
          { mark: bar, encoding: { x, ...offset, y: { field: "accuracy", ...percentAxis }, color } },
          {
            mark: { type: "rule", strokeWidth: 1.5 },
            encoding: { x, ...offset, y: { field: "low", ...percentAxis }, y2: { field: "high" } },
          },
        ],
      };
      return {
        [narrow ? "vconcat" : "hconcat"]: [spikes, attacks],
        spacing: 24,
        resolve: { legend: { color: "shared" } },
      };
    },
  };
}
