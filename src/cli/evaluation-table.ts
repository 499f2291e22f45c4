import pc from "picocolors";
import type { Evaluation } from "../evaluation/evaluate";
import type { Result } from "../evaluation/results";
import { whyWithoutEnergies } from "../evaluation/results-activity";
import { describeAttack, type ModelIdentity } from "../evaluation/run-config";
import { describeShortEnergies, mostColumns } from "./energy-table";
import { plainTable, type Colors } from "./plain-table";

/**
 * An evaluation as text for people: what was evaluated, accuracies, activity, warnings.
 *
 * @param colored whether to use terminal colours
 */
export function describeEvaluation(evaluation: Evaluation, colored: boolean): string {
  const colors = pc.createColors(colored);
  const { identity, results, warnings, energy } = evaluation;
  const sections = [
    heading(evaluation, colors),
    accuracies(results, colors),
    ...(results.some(({ spikes }) => spikes) ? [activity(results, isAnn(identity.target), colors)] : []),
    ...(energy ? [describeShortEnergies(energy, results.map(columnOf), colors)] : []),
    ...(identity.target["coding"] === "rate"
      ? [`No energies: ${whyWithoutEnergies(identity.target) ?? ""}.`]
      : []),
  ];
  // The heading says the preset's already.
  const others = warnings.filter(({ code }) => code !== "HIRE_PRESET");
  if (others.length > 0) {
    sections.push(others.map(({ message }) => `${colors.yellow("Warning:")} ${message}`).join("\n"));
  }
  sections.push(colors.dim(`Seed ${identity.seed}. Intervals: 95 %, Wilson.`));
  return `${sections.join("\n\n")}\n`;
}

function heading({ identity, execution, preset, note }: Evaluation, colors: Colors): string {
  const { dataset, attacks, target } = identity;
  const steps = target.timesteps === undefined || isAnn(target) ? "" : ` at ${target.timesteps} time steps`;
  const lines = [
    `${colors.bold(execution.target.name)}${steps} on ${dataset.name}, ${dataset.samples} images`,
  ];
  if (execution.source) lines.push(`Black box: images made on ${execution.source.name}`);
  lines.push(`Attacks: ${attacks.map(describeAttack).join("; ") || "none"}`);
  if (preset) lines.push(colors.yellow(`Preset ${preset}: ${note}`));
  return lines.join("\n");
}

function accuracies(results: readonly Result[], colors: Colors): string {
  const head = ["Attack", "Access", "Top-1 %", "95 % interval", "Top-5 %", "Correct", "Loss"];
  const rows = results.map(({ attack, access, top1, top5, interval: [low, high], correct, n, loss }) => [
    attack,
    access === "none" ? "" : `${access} box`,
    percent(top1),
    `${percent(low)} to ${percent(high)}`,
    percent(top5),
    `${correct} of ${n}`,
    loss === null ? "none" : loss.toFixed(4),
  ]);
  return plainTable(head, rows, 2, colors);
}

/** A result as the head of a column: "clean", "pgd, white". */
export function columnOf({ attack, access }: Pick<Result, "attack" | "access">): string {
  return access === "none" ? attack : `${attack}, ${access}`;
}

/** Whether the counts are a network's whose outputs are no spikes. */
function isAnn(target: ModelIdentity): boolean {
  return target["kind"] === "ann";
}

function activity(results: readonly Result[], ann: boolean, colors: Colors): string {
  const counted = results.filter(({ spikes }) => spikes);
  const layers = counted[0]?.spikes ?? [];
  const rates = counted.map(({ spikes }) => layers.map((_, layer) => percent(spikes?.[layer]?.rate ?? 0)));
  const table =
    counted.length <= mostColumns
      ? plainTable(
          ["Layer", "Neurons", ...counted.map(columnOf)],
          layers.map(({ name, neurons }, layer) => [
            name,
            String(neurons),
            ...rates.map((row) => row[layer] as string),
          ]),
          1,
          colors,
        )
      : plainTable(
          ["Attack", ...layers.map(({ name }) => name)],
          counted.map((result, i) => [columnOf(result), ...(rates[i] as string[])]),
          1,
          colors,
        );
  const title = ann
    ? "Outputs that are not zero, %"
    : "Spikes per neuron and time step, % (of a pool: outputs that are not zero)";
  return `${title}\n${table}`;
}

function percent(fraction: number): string {
  return (100 * fraction).toFixed(2);
}
