import type { TopLevelSpec } from "vega-lite" with { "resolution-mode": "import" };
import { chartConfig } from "./theme";

/** A plot, drawn. */
export interface DrawnChart {
  /** A complete SVG element. */
  readonly svg: string;
  /** The specification that it was drawn from, for reuse. */
  readonly spec: TopLevelSpec;
}

/**
 * Draws a Vega-Lite specification as SVG, without a browser. vega and vega-lite are ES modules and large: they are loaded when the first
 * plot is drawn.
 */
export async function renderChart(bare: TopLevelSpec): Promise<DrawnChart> {
  const [vega, { compile }] = await Promise.all([import("vega"), import("vega-lite")]);
  const spec = {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    ...bare,
    config: chartConfig,
  } as TopLevelSpec;
  // What a specification has unusual is said by tests, not to users.
  const silent = { level: () => silent, error: fail, warn: fail, info: () => silent, debug: () => silent };
  function fail(...messages: readonly unknown[]): never {
    throw new Error(messages.map(String).join(" "));
  }
  const view = new vega.View(vega.parse(compile(spec, { logger: silent as never }).spec), {
    renderer: "none",
  });
  try {
    return { svg: await view.toSVG(), spec };
  } finally {
    view.finalize();
  }
}
