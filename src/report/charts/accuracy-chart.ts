import type { Setting } from "../labels";
import type { Chart } from "../report-model";
import { labelWidth, percentAxis } from "./axes";
import { colors } from "./theme";

/** Every accuracy as a point on its interval: one row a result, one colour an access. */
export function accuracyChart(settings: readonly Setting[], runs: number): Chart {
  const values = settings.map(({ run, result, label }) => ({
    attack: label,
    access: result.access,
    run: run.label,
    accuracy: 100 * result.top1,
    low: 100 * result.interval[0],
    high: 100 * result.interval[1],
  }));
  return {
    id: "accuracy",
    title: "Top-1 accuracy, %",
    caption:
      "Points are measured accuracies, bars their 95 % Wilson intervals: what other images of the same kind could have given.",
    spec: (width) => {
      const labels = labelWidth(
        values.map(({ attack }) => attack),
        width / 3,
      );
      const y = {
        field: "attack",
        type: "nominal",
        sort: null,
        title: null,
        axis: { grid: true, labelLimit: width / 3, labelPadding: 12 },
      };
      const color = {
        field: "access",
        type: "nominal",
        scale: { domain: ["none", "white", "black"], range: colors.series.slice(0, 3) },
        legend: null,
      };
      const panel = {
        width: width - labels - 30,
        height: { step: 26 },
        layer: [
          {
            mark: { type: "rule", strokeWidth: 3, opacity: 0.45, strokeCap: "round" },
            encoding: { y, color, x: { field: "low", ...percentAxis }, x2: { field: "high" } },
          },
          {
            mark: { type: "point", filled: true, size: 80, opacity: 1 },
            encoding: { y, color, x: { field: "accuracy", ...percentAxis } },
          },
        ],
      };
      if (runs === 1) return { data: { values }, ...panel };
      return {
        data: { values },
        facet: { row: { field: "run", type: "nominal", sort: null, header: { labelOrient: "top" } } },
        spec: panel,
        resolve: { scale: { y: "independent" } },
      };
    },
  };
}
