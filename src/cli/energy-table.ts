import pc from "picocolors";
import type { ConventionEnergy, EnergyComparison } from "../energy/compare-energies";
import type { LayerOperations } from "../energy/layer-table";
import type { Evaluation } from "../evaluation/evaluate";
import type { LayerActivity } from "../evaluation/results";
import { plainTable, type Colors } from "./plain-table";

/** What the conventions have in common, for the line above a table. */
function heading({ preset, borders, timesteps }: EnergyComparison, unit: Unit): string {
  const counts = borders === "padded" ? "operations with padding" : "operations inside borders";
  return `Energy per image, ${unit.name}: ${preset.name} at 45 nm, ${counts}, ${timesteps} time steps`;
}

interface Unit {
  readonly name: string;
  readonly picojoules: number;
}

/** The largest unit in which no energy of a table is below 0.1, so that one unit serves all of it. */
function unitFor(energies: readonly number[]): Unit {
  const units = [
    { name: "mJ", picojoules: 1e9 },
    { name: "µJ", picojoules: 1e6 },
    { name: "nJ", picojoules: 1e3 },
  ];
  const least = Math.min(...energies.filter((energy) => energy > 0));
  return units.find(({ picojoules }) => least >= picojoules / 10) ?? { name: "pJ", picojoules: 1 };
}

function amount(picojoules: number, unit: Unit): string {
  const value = picojoules / unit.picojoules;
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function rate({ breakEvenRate }: ConventionEnergy): string {
  return typeof breakEvenRate === "number" ? (100 * breakEvenRate).toFixed(2) : breakEvenRate;
}

/** More results than these stand below each other: their names are long. */
export const mostColumns = 5;

/** Of a comparison, what an evaluation shows: a convention without memory and one with it. */
const shown = ["paper-pool-each-step", "memory-per-event"];

/** The lines of an evaluation's table. @param columns names of the activities */
export function describeShortEnergies(
  comparison: EnergyComparison,
  columns: readonly string[],
  colors: Colors,
): string {
  const energies = comparison.energies.filter(({ id }) => shown.includes(id));
  const baseline = ({ baseline: id }: ConventionEnergy): number =>
    comparison.baselines.find((each) => each.id === id)?.picojoules ?? NaN;
  const unit = unitFor(energies.flatMap((each) => [...each.picojoules, baseline(each)]));
  if (columns.length > mostColumns) {
    const head = ["Energy of", ...energies.map(({ label }) => label)];
    const rows = [
      ["ANN", ...energies.map((each) => amount(baseline(each), unit))],
      ...columns.map((column, i) => [
        column,
        ...energies.map(({ picojoules }) => amount(picojoules[i] as number, unit)),
      ]),
    ];
    return `${heading(comparison, unit)}\n${plainTable(head, rows, 1, colors)}`;
  }
  const rows = energies.map((each) => [
    each.label,
    amount(baseline(each), unit),
    ...each.picojoules.map((energy) => amount(energy, unit)),
  ]);
  return `${heading(comparison, unit)}\n${plainTable(["Convention", "ANN", ...columns], rows, 1, colors)}`;
}

/** All conventions, with their baselines and break-even rates. @param columns names of the activities */
export function describeEnergies(
  comparison: EnergyComparison,
  columns: readonly string[],
  { colors, definitions }: { colors: Colors; definitions: boolean },
): string {
  const { energies, baselines } = comparison;
  const all = [
    ...baselines.map(({ picojoules }) => picojoules),
    ...energies.flatMap((each) => each.picojoules),
  ];
  const unit = unitFor(all);
  const head = ["Convention", ...columns, "Baseline", "Break-even rate, %"];
  const labelOf = (id: string): string => baselines.find((each) => each.id === id)?.label ?? id;
  const rows = energies.map((each) => [
    each.label,
    ...each.picojoules.map((energy) => amount(energy, unit)),
    labelOf(each.baseline),
    rate(each),
  ]);
  const without = baselines.map(({ label, picojoules }) => [label, amount(picojoules, unit)]);
  const sections = [
    `${heading(comparison, unit)}\n${plainTable(head, rows, 1, colors)}`,
    `Without spikes, one pass, ${unit.name}\n${plainTable(["Baseline", "Energy"], without, 1, colors)}`,
  ];
  if (definitions) {
    sections.push(
      [...energies, ...baselines]
        .map(({ label, definition, source }) => `${colors.bold(label)}: ${definition}. ${colors.dim(source)}`)
        .join("\n"),
    );
  }
  return sections.join("\n\n");
}

/** Counts of each layer. */
export function describeLayers(rows: readonly LayerOperations[], colors: Colors): string {
  const head = [
    ...["Layer", "Neurons", "Rate %", "Spikes", "Inputs not 0", "Dense MACs", "Operations, padded"],
    ...["Operations, exact", "NeuroBench MACs", "NeuroBench ACs", "Membrane updates"],
  ];
  const count = (value: number | undefined): string =>
    value === undefined ? "" : Math.round(value).toLocaleString("en");
  const lines = rows.map(({ name, shortcutFrom, neurons, rate: fired, spikes, weights, membraneUpdates }) => [
    shortcutFrom === undefined ? name : `${name}, from ${shortcutFrom}`,
    count(neurons),
    fired === undefined ? "" : (100 * fired).toFixed(2),
    count(spikes),
    count(weights?.nonZeroInputs),
    count(weights?.denseMacs),
    count(weights?.padded),
    weights && weights.exact === undefined ? "not counted" : count(weights?.exact),
    count(weights?.effectiveMacs),
    count(weights?.effectiveAcs),
    count(membraneUpdates),
  ]);
  return plainTable(head, lines, 1, colors);
}

/** The tables of `energy`. */
export function describeEnergyReport(
  { title, columns, layers, energy, measured }: EnergyReport,
  { colored, definitions }: { colored: boolean; definitions: boolean },
): string {
  const colors = pc.createColors(colored);
  const tables = layers.map(
    (rows, i) =>
      `${colors.bold(columns[i] ?? "")}: mean of an image over all time steps (of a pool: outputs that are not zero)\n` +
      describeLayers(rows, colors),
  );
  const steps = (measured?.results ?? []).flatMap(({ spikes }, i) =>
    spikes
      ? [
          `${colors.bold(columns[i] ?? "")}: spikes per neuron at each time step, %\n${timestepTable(spikes, colors)}`,
        ]
      : [],
  );
  const warnings = (measured?.warnings ?? [])
    .filter(({ code }) => code !== "HIRE_PRESET")
    .map(({ message }) => `${colors.yellow("Warning:")} ${message}`);
  const hint = definitions
    ? []
    : [colors.dim("--definitions says what each convention counts, and where it comes from.")];
  const sections = [
    colors.bold(title),
    ...tables,
    ...steps,
    describeEnergies(energy, columns, { colors, definitions }),
    ...(warnings.length > 0 ? [warnings.join("\n")] : []),
    ...hint,
  ];
  return `${sections.join("\n\n")}\n`;
}

function timestepTable(layers: readonly LayerActivity[], colors: Colors): string {
  const timesteps = layers[0]?.perTimestep.length ?? 0;
  const head = ["Layer", ...Array.from({ length: timesteps }, (_, t) => String(t + 1))];
  const rows = layers.map(({ name, neurons, perTimestep }) => [
    name,
    ...perTimestep.map((spikes) => ((100 * spikes) / neurons).toFixed(2)),
  ]);
  return plainTable(head, rows, 1, colors);
}

/** What `energy` prints as JSON, but for its version. */
export interface EnergyReport {
  readonly title: string;
  /** Names of the activities. */
  readonly columns: readonly string[];
  /** For each of them, its layers. */
  readonly layers: readonly (readonly LayerOperations[])[];
  readonly energy: EnergyComparison;
  /** What was run, if the activities were counted and not given. */
  readonly measured?: Pick<Evaluation, "identity" | "results"> & {
    readonly warnings: readonly { readonly code: string; readonly message: string }[];
  };
}
