import { HireSnnError } from "../../errors";
import type { ChartSpec } from "../report-model";
import { measuringText } from "./text-width";
import { chartConfig } from "./theme";

/** A plot, drawn. */
export interface DrawnChart {
  /** A complete SVG element. */
  readonly svg: string;
  /** The specification that it was drawn from, for reuse. */
  readonly spec: ChartSpec;
}

/**
 * Draws a Vega-Lite specification as SVG, without a browser. vega and vega-lite are ES modules and large: they are loaded when the first
 * plot is drawn.
 *
 * @throws HireSnnError INVALID_ARGUMENT if the specification is not valid
 */
export async function renderChart(bare: ChartSpec): Promise<DrawnChart> {
  const vega = await import("vega");
  const { compile } = await import("vega-lite");
  const spec = { $schema: "https://vega.github.io/schema/vega-lite/v6.json", ...bare, config: chartConfig };
  // What vega-lite only warns of is a drawing that is not what was meant.
  const strict = {
    level: () => strict,
    error: refuse,
    warn: refuse,
    info: () => strict,
    debug: () => strict,
  };
  const compiled = compile(spec as never, { logger: strict });
  const view = new vega.View(vega.parse(compiled.spec), { renderer: "none" });
  const restore = measuringText(vega as unknown as { textMetrics: object });
  try {
    return { svg: await view.toSVG(), spec };
  } finally {
    restore();
    view.finalize();
  }
}

function refuse(...messages: readonly unknown[]): never {
  throw new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected a plot that vega-lite can draw: ${messages.map(String).join(" ")}`,
  );
}
