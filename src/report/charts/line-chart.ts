import type { Chart } from "../report-model";
import { percentAxis } from "./axes";
import { colors, mostSeries, seriesEncoding } from "./theme";

export interface Point {
  readonly x: number;
  /** A fraction where the chart is of per cents. */
  readonly y: number;
  readonly low?: number;
  readonly high?: number;
  /** A second value to mark where it differs. */
  readonly raw?: number;
  readonly series: string;
  /** Which of the plots side by side. */
  readonly panel: string;
}

export interface LineChart {
  readonly id: string;
  readonly title: string;
  readonly caption: string;
  readonly xTitle: string;
  readonly points: readonly Point[];
  readonly percent: boolean;
  /** Whether intervals are drawn. @default true */
  readonly bars?: boolean;
  /** Whether the axis of values that are no per cents begins at 0. @default true */
  readonly zero?: boolean;
}

/** More plots than one page should have; tables have the rest. */
const mostPanels = 8;

/** Lines over one quantity: a colour and a shape for each series, a plot for each panel. */
export function lineChart(chart: LineChart): Chart {
  const { id, title, caption, xTitle, points, percent, bars = true, zero = true } = chart;
  const panels = split(points);
  const shown = panels.slice(0, mostPanels);
  const names = [...new Set(shown.flatMap((panel) => panel.points.map(({ series }) => series)))];
  const series = names.slice(0, mostSeries);
  const scale = percent ? 100 : 1;
  const values = shown.flatMap(({ name, points: own }) =>
    own
      .filter((point) => series.includes(point.series))
      .map((point) => ({
        ...{ x: point.x, y: scale * point.y, series: point.series, panel: name },
        ...(point.low !== undefined &&
          point.high !== undefined && { low: scale * point.low, high: scale * point.high }),
        ...(point.raw !== undefined && point.raw !== point.y && { raw: scale * point.raw }),
      })),
  );
  const left = panels.length - shown.length + (names.length > series.length ? 1 : 0);
  const steps = new Set(values.map(({ x }) => x)).size;
  return {
    id,
    title,
    caption: left > 0 ? `${caption} Not everything fits a plot; the table has all.` : caption,
    spec: (width) => {
      const perRow = shown.length === 1 || width < 500 ? 1 : 2;
      const panelWidth = (width - 42 * perRow - 16 * (perRow - 1)) / perRow;
      const wholeSteps = values.every(({ x }) => Number.isInteger(x));
      const x = {
        field: "x",
        type: "quantitative",
        scale: { nice: false, padding: 8 },
        axis: {
          title: xTitle,
          tickCount: Math.min(steps, 8),
          ...(wholeSteps && { format: "d", tickMinStep: 1 }),
        },
      };
      const y = percent
        ? percentAxis
        : { type: "quantitative", axis: { title: null, tickCount: 5 }, scale: { zero } };
      const { color, shape } = seriesEncoding("series", series, columnsOf(series, width));
      const dot = { type: "point", size: steps > 16 ? 22 : 55, opacity: 1 };
      const layer = [
        { mark: { type: "line" }, encoding: { x, y: { field: "y", ...y }, color } },
        ...(bars && values.some(({ low }) => low !== undefined)
          ? [
              {
                mark: { type: "rule", strokeWidth: 1.5, opacity: 0.55 },
                encoding: { x, y: { field: "low", ...y }, y2: { field: "high" }, color },
              },
            ]
          : []),
        ...(values.some(({ raw }) => raw !== undefined)
          ? [
              {
                mark: { ...dot, filled: false, strokeWidth: 1.5 },
                encoding: { x, y: { field: "raw", ...y }, color, shape },
              },
            ]
          : []),
        { mark: { ...dot, filled: true }, encoding: { x, y: { field: "y", ...y }, color, shape } },
      ];
      const panel = { width: panelWidth, height: shown.length === 1 ? 260 : 180, layer };
      if (shown.length === 1) return { data: { values }, ...panel };
      return {
        data: { values },
        facet: {
          field: "panel",
          type: "nominal",
          sort: shown.map(({ name }) => name),
          header: { labelColor: colors.ink, labelLimit: panelWidth },
        },
        columns: perRow,
        spec: panel,
      };
    },
  };
}

interface Panel {
  readonly name: string;
  readonly points: readonly Point[];
}

/** One plot a panel; of a panel with more series than colours, several. */
function split(points: readonly Point[]): Panel[] {
  const byPanel = new Map<string, Point[]>();
  for (const point of points) {
    const own = byPanel.get(point.panel);
    if (own) own.push(point);
    else byPanel.set(point.panel, [point]);
  }
  return [...byPanel].map(([name, own]) => ({ name, points: own }));
}

/** As many legend entries beside each other as fit. */
export function columnsOf(names: readonly string[], width: number): number {
  const longest = Math.max(...names.map(({ length }) => length));
  return Math.max(1, Math.min(names.length, Math.floor(width / (longest * 6.6 + 36))));
}
