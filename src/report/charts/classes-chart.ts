import type { LabelledRun } from "../labels";
import type { Chart } from "../report-model";
import { strongest } from "../representative";
import type { ClassRow } from "../tables/classes";
import { labelWidth, percentAxis } from "./axes";
import { columnsOf } from "./line-chart";
import { seriesEncoding } from "./theme";

const mostClasses = 20;

/** One row a class, from the most robust to the least: its clean accuracy and those under the strongest attacks. */
export function classesChart(id: string, run: LabelledRun, rows: readonly ClassRow[], named: boolean): Chart {
  const shown = strongest(run.settings).map(({ label }) => label);
  // White box where there is one, else whatever there is.
  const sortedBy = shown[1] ?? shown[0] ?? "";
  const order = rows
    .filter(({ setting }) => setting === sortedBy)
    .sort((a, b) => b.accuracy - a.accuracy || (a.class < b.class ? -1 : 1))
    .map((row) => row.class);
  const cut = order.length > mostClasses;
  const classes = cut ? [...order.slice(0, mostClasses / 2), ...order.slice(-mostClasses / 2)] : order;
  const values = rows
    .filter((row) => shown.includes(row.setting) && classes.includes(row.class))
    .map((row) => ({ class: row.class, setting: row.setting, accuracy: 100 * row.accuracy }));
  return {
    id,
    title: `Top-1 by class, %${named ? `: ${run.label}` : ""}`,
    caption:
      `Sorted by the accuracy under ${sortedBy}. The line spans what the attacks take from a class.` +
      (cut
        ? ` Of ${order.length} classes, the ${mostClasses / 2} most and the ${mostClasses / 2} least robust; the table has all.`
        : ""),
    spec: (width) => {
      const labels = labelWidth(classes, width / 4);
      const y = {
        field: "class",
        type: "nominal",
        sort: classes,
        title: null,
        axis: { grid: false, ticks: false, domain: false, labelLimit: width / 4, labelPadding: 14 },
      };
      return {
        data: { values },
        width: width - labels - 34,
        height: { step: 22 },
        layer: [
          {
            mark: { type: "rule", strokeWidth: 2, opacity: 0.25 },
            encoding: {
              y,
              x: { field: "accuracy", aggregate: "min", ...percentAxis },
              x2: { field: "accuracy", aggregate: "max" },
            },
          },
          {
            mark: { type: "point", filled: true, size: 70, opacity: 1 },
            encoding: {
              y,
              x: { field: "accuracy", ...percentAxis },
              ...seriesEncoding("setting", shown, columnsOf(shown, width)),
            },
          },
        ],
      };
    },
  };
}
