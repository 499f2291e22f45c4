import Table from "cli-table3";
import type { LayerProfile } from "../classifiers/network-classifier";

/** How each layer was computed, for --explain. */
export function describeKernels(name: string, kernels: string, layers: readonly LayerProfile[]): string {
  const table = new Table({
    head: ["layer", "input density", "forward", "ms", "gradient", "ms"],
    style: { head: [], border: [] },
    colAligns: ["left", "right", "left", "right", "left", "right"],
  });
  const milliseconds = (seconds: number): string => (seconds * 1e3).toFixed(1);
  for (const layer of layers) {
    table.push([
      layer.name,
      layer.density.toFixed(3),
      layer.forward,
      milliseconds(layer.forwardSeconds),
      layer.backward,
      milliseconds(layer.backwardSeconds),
    ]);
  }
  return `${name}: ${kernels}; times of the last micro-batch\n${table.toString()}\n`;
}
