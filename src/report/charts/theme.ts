/**
 * Colours of the plots on white. A page gives each its counterpart for dark mode by its value (`src/report/html/style.ts`), so that a
 * drawing stays complete by itself. The series colours are Okabe and Ito's, which people with any kind of colour blindness tell apart;
 * shapes repeat what colours say.
 */
export const colors = {
  ink: "#1b1f24",
  muted: "#5d6670",
  grid: "#e3e6ea",
  series: ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7d7d7d", "#8a5fbf"],
} as const;

/** How many series one plot can tell apart. */
export const mostSeries = colors.series.length;

export const shapes = [
  "circle",
  "square",
  "triangle-up",
  "diamond",
  "cross",
  "triangle-down",
  "triangle-right",
  "triangle-left",
];

const font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";

/** Vega-Lite's configuration of every plot. */
export const chartConfig = {
  background: "transparent",
  font,
  padding: { left: 2, right: 8, top: 4, bottom: 4 },
  view: { stroke: null },
  axis: {
    labelColor: colors.muted,
    titleColor: colors.muted,
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: "normal",
    gridColor: colors.grid,
    domainColor: colors.grid,
    tickColor: colors.grid,
    tickSize: 4,
    labelPadding: 5,
    titlePadding: 8,
    labelFlush: false,
  },
  axisY: { domain: false, ticks: false },
  axisX: { grid: false },
  legend: {
    labelColor: colors.ink,
    labelFontSize: 12,
    labelLimit: 320,
    title: null,
    orient: "top",
    direction: "horizontal",
    symbolSize: 70,
    symbolStrokeWidth: 2,
    symbolOpacity: 1,
    offset: 10,
    columnPadding: 14,
  },
  title: { color: colors.ink, fontSize: 13, fontWeight: 600, anchor: "start", offset: 8 },
  header: {
    labelColor: colors.ink,
    labelFontSize: 13,
    labelFontWeight: 600,
    title: null,
    labelAnchor: "start",
  },
  line: { strokeWidth: 2 },
  rule: { color: colors.ink },
  range: { category: [...colors.series] },
} as const;

/** Colour and shape by series, in the given order. */
export function seriesEncoding(
  field: string,
  names: readonly string[],
  columns: number,
): Record<string, unknown> {
  const scale = (range: readonly string[]): object => ({
    domain: names,
    range: names.map((_, i) => range[i % range.length]),
  });
  const legend = names.length > 1 ? { columns } : null;
  return {
    color: { field, type: "nominal", scale: scale(colors.series), legend, sort: null },
    shape: { field, type: "nominal", scale: scale(shapes), legend, sort: null },
  };
}
