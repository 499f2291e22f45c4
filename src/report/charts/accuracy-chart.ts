import type { Setting } from "../labels";
import type { Chart } from "../report-model";
import { percentAxis } from "./axes";
import { colors, seriesEncoding } from "./theme";

/** Every accuracy as a point on its interval: one row an attack, one colour an access. */
export function accuracyChart(settings: readonly Setting[], runs: number): Chart {
  const accesses = { none: "clean", white: "white box", black: "black box" } as const;
  const values = settings.map(({ run, result, attackName }) => ({
    attack: attackName,
    access: accesses[result.access],
    run: run.label,
    accuracy: 100 * result.top1,
    low: 100 * result.interval[0],
    high: 100 * result.interval[1],
  }));
  const names = ["clean", "white box", "black box"].filter((name) =>
    values.some(({ access }) => access === name),
  );
  return {
    id: "accuracy",
    title: "Top-1 accuracy, %",
    caption:
      "Points are measured accuracies, bars their 95 % Wilson intervals: what other images of the same kind could have given.",
    spec: (width) => {
      const y = {
        field: "attack",
        type: "nominal",
        sort: null,
        title: null,
        axis: { grid: true, ticks: false, domain: false, labelLimit: width / 3 },
      };
      const yOffset = { field: "access", type: "nominal", sort: names };
      const layer = [
        {
          mark: { type: "rule", strokeWidth: 2, opacity: 0.55 },
          encoding: { x: { field: "low", ...percentAxis }, x2: { field: "high" } },
        },
        {
          mark: { type: "point", filled: true, size: 70, opacity: 1 },
          encoding: { x: { field: "accuracy", ...percentAxis } },
        },
      ].map(({ mark, encoding }, i) => {
        const { color, shape } = seriesEncoding("access", names, 3);
        return { mark, encoding: { ...encoding, y, yOffset, color, ...(i === 1 && { shape }) } };
      });
      const panel = {
        width: width - Math.min(width / 3, 190),
        height: { step: names.length > 1 ? 11 : 24 },
        layer,
      };
      if (runs === 1) return { data: { values }, ...panel };
      return {
        data: { values },
        facet: {
          row: {
            field: "run",
            type: "nominal",
            sort: null,
            header: { labelOrient: "top", labelColor: colors.ink },
          },
        },
        spec: panel,
        resolve: { scale: { y: "independent" } },
      };
    },
  };
}
