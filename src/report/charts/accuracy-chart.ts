import type { Setting } from "../labels";
import type { Chart } from "../report-model";
import { labelWidth, percentAxis } from "./axes";
import { columnsOf } from "./line-chart";
import { colors, seriesEncoding } from "./theme";

/** Every accuracy as a point on its interval: one row an attack; colours tell accesses apart, or runs where there are several. */
export function accuracyChart(settings: readonly Setting[]): Chart {
  const values = settings.map(({ run, result, label }) => ({
    attack: label,
    access: result.access,
    run: run.label,
    accuracy: 100 * result.top1,
    low: 100 * result.interval[0],
    high: 100 * result.interval[1],
  }));
  const attacks = values.map(({ attack }) => attack);
  const runs = [...new Set(values.map(({ run }) => run))];
  return {
    id: "accuracy",
    title: "Top-1 accuracy, %",
    caption:
      "Points are measured accuracies, bars their 95 % Wilson intervals: what other images of the same kind could have given.",
    spec: (width) => {
      const several = runs.length > 1;
      const byAccess = {
        field: "access",
        type: "nominal",
        scale: { domain: ["none", "white", "black"], range: colors.series.slice(0, 3) },
        legend: null,
      };
      const { color, shape } = seriesEncoding("run", runs, columnsOf(runs, width));
      const shared = {
        y: {
          ...{ field: "attack", type: "nominal", sort: null, title: null },
          axis: { grid: true, labelLimit: width / 3, labelPadding: 12 },
        },
        color: several ? color : byAccess,
        ...(several && { yOffset: { field: "run", sort: runs } }),
      };
      return {
        data: { values },
        width: width - labelWidth(attacks, width / 3) - 30,
        height: { step: several ? 12 : 26 },
        layer: [
          {
            mark: { type: "rule", strokeWidth: 3, opacity: 0.45, strokeCap: "round" },
            encoding: { ...shared, x: { field: "low", ...percentAxis }, x2: { field: "high" } },
          },
          {
            mark: { type: "point", filled: true, size: several ? 55 : 80, opacity: 1 },
            encoding: { ...shared, ...(several && { shape }), x: { field: "accuracy", ...percentAxis } },
          },
        ],
      };
    },
  };
}
