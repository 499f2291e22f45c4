import { elementsOf } from "../networks/layer-sizes";
import type { Network } from "../networks/network";
import type { CountedLayer } from "./classifier";

/** The layers of a network whose spikes are counted: all but the output. */
export function countedLayersOf({ layers }: Pick<Network, "layers">): CountedLayer[] {
  return layers.flatMap(({ name, kind, outputShape }) =>
    kind === "output" ? [] : [{ name, kind, neurons: elementsOf(outputShape) }],
  );
}
