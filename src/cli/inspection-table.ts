import Table from "cli-table3";
import pc from "picocolors";
import type { ExtraScalar, ExtraValue } from "../checkpoint/checkpoint";
import type { ScriptInspection } from "../classifiers/inspect-torchscript";
import { printable } from "./printable";
import type { InspectedLayer, InspectedNetwork, Inspection } from "../networks/inspect-checkpoint";

type Colors = ReturnType<typeof pc.createColors>;

const formats = {
  legacy: "legacy stream (PyTorch before 1.6)",
  zip: "zip archive (PyTorch 1.6 and later)",
  safetensors: "safetensors file",
};
const origins = {
  option: "as asked for",
  "network file": "from the file beside it",
  tensors: "recognised by its tensors",
};
const MOST_ITEMS = 8;

/**
 * An inspection as text for people.
 *
 * @param colored whether to use terminal colours
 */
export function describeInspection(inspection: Inspection, colored: boolean): string {
  const colors = pc.createColors(colored);
  const { network, networkProblem, tensors, extras, warnings } = inspection;
  const sections = [heading(inspection, colors)];
  if (network) sections.push(networkSection(network, colors));
  if (networkProblem)
    sections.push(`${colors.yellow("No network:")} ${printable(networkProblem.message, Infinity)}`);
  sections.push(...tensorSection(tensors, colors));
  if (extras.length > 0) {
    const rows = extras.map(({ path, value }) => [printable(path), describeValue(value)]);
    sections.push(table(["Also in the file", "Value"], rows, colors));
  }
  for (const warning of warnings)
    sections.push(`${colors.yellow("Warning:")} ${printable(warning, Infinity)}`);
  return `${sections.join("\n\n")}\n`;
}

/** As {@link describeInspection}, for a TorchScript archive. */
export function describeScriptInspection(inspection: ScriptInspection, colored: boolean): string {
  const colors = pc.createColors(colored);
  const { file, size, version, mobile, code, methods, operators, tensors, metadata, warnings } = inspection;
  const count = (number: number): string => number.toLocaleString("en");
  const sections = [
    [
      `${colors.bold(file)}: TorchScript archive${version === null ? "" : `, version ${version}`}` +
        `${mobile ? ", also for mobile devices" : ""}, ${count(size)} bytes`,
      `A program: evaluating it runs its code, ${count(code.bytes)} bytes in ${code.files} ${code.files === 1 ? "file" : "files"}`,
      ...methods.map((method) => `  ${printable(method, Infinity)}`),
    ].join("\n"),
  ];
  if (operators.length > 0) {
    const rows = operators.map(({ name, calls }) => [printable(name), count(calls)]);
    sections.push(table(["Operator", "Calls in the code"], rows, colors, 1));
  }
  sections.push(...tensorSection(tensors, colors));
  const entries = Object.entries(metadata);
  if (entries.length > 0) {
    const rows = entries.map(([key, value]) => [printable(key), printable(JSON.stringify(value))]);
    sections.push(table(["Metadata", "Value"], rows, colors));
  }
  for (const warning of warnings)
    sections.push(`${colors.yellow("Warning:")} ${printable(warning, Infinity)}`);
  return `${sections.join("\n\n")}\n`;
}

function tensorSection(tensors: Inspection["tensors"], colors: Colors): string[] {
  if (tensors.length === 0) return [];
  const rows = tensors.map(({ path, dtype, shape, device }) => [
    printable(path),
    dtype,
    list(shape),
    printable(device),
  ]);
  return [table(["Tensor", "Type", "Shape", "Device"], rows, colors)];
}

function heading({ file, size, format, stateDict, tensors }: Inspection, colors: Colors): string {
  const where = stateDict.path === "" ? "" : `, weights under ${printable(stateDict.path)}`;
  const prefix = stateDict.modulePrefix ? ', a leading "module." removed' : "";
  return [
    `${colors.bold(file)}: ${formats[format]}, ${size.toLocaleString("en")} bytes`,
    `${tensors.length} tensors${where}${prefix}`,
  ].join("\n");
}

function networkSection(network: InspectedNetwork, colors: Colors): string {
  const { name, aliases, from, inputShape, classes, timesteps, coding, macsPerTimestep, layers } = network;
  const macs = macsPerTimestep.toLocaleString("en");
  const rows = layers.map(({ name: layer, outputShape, weightShape, shortcut, threshold, leak, macs }) => [
    layer,
    (weightShape ? list(weightShape) : "") + (shortcut ? shortcutText(shortcut) : ""),
    list(outputShape),
    threshold === undefined ? "" : decimal(threshold),
    leak === undefined ? "" : decimal(leak),
    macs === 0 ? "" : macs.toLocaleString("en"),
  ]);
  return [
    `${colors.bold(name)}${aliases.length > 0 ? ` (= ${aliases.join(" = ")})` : ""}, ${origins[from]}: ` +
      `${classes} classes, input ${inputShape.join("x")}`,
    timesteps
      ? `${timesteps.timesteps} time steps (from: ${timesteps.from}), ${coding ?? "direct"} coding, ${macs} MACs per time step`
      : `An ANN: rectified linear units, neither thresholds nor leaks; ${macs} MACs`,
    table(["Layer", "Weights", "Output", "Threshold", "Leak", "MACs"], rows, colors, 3),
  ].join("\n");
}

/** What is added to a layer's weighted sums: the output of another, weighted or as it is. */
function shortcutText({ from, weightShape }: NonNullable<InspectedLayer["shortcut"]>): string {
  return ` + ${weightShape ? `${list(weightShape)} of ` : ""}${from}`;
}

/** @param right first column that is set flush right */
function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  colors: Colors,
  right = Infinity,
): string {
  const result = new Table({
    head: head.map((text) => colors.bold(text)),
    // Colours are ours alone: without a terminal there are none.
    style: { head: [], border: [], compact: true },
    colAligns: head.map((_, column) => (column >= right ? "right" : "left")),
  });
  for (const row of rows) result.push([...row]);
  return result.toString();
}

function list(sizes: readonly number[]): string {
  return `[${sizes.join(", ")}]`;
}

/** A float32 as it is usually written: the digits that tell it from its neighbours. */
function decimal(value: number): string {
  return String(Number(value.toPrecision(7)));
}

function describeValue(value: ExtraValue): string {
  if (value === null || typeof value !== "object") return scalarText(value);
  if ("what" in value) return printable(value.what);
  const shown = value.slice(0, MOST_ITEMS).map(scalarText).join(", ");
  return `[${shown}${value.length > MOST_ITEMS ? `, ... (${value.length})` : ""}]`;
}

function scalarText(value: ExtraScalar): string {
  if (value === null) return "None";
  return typeof value === "string" ? `"${printable(value)}"` : printable(String(value));
}
