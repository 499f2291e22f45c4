import { packageVersion } from "../version";
import { findRuns } from "./find-runs";
import { formatEpsilon } from "./format";
import { gallerySection } from "./gallery";
import { labelRuns, timestepsLabel, type LabelledRun } from "./labels";
import { readRun, type RunData } from "./read-run";
import { strongest } from "./representative";
import type { Highlight, Report, Section } from "./report-model";
import { accuracySection } from "./tables/accuracy";
import { activitySection } from "./tables/activity";
import { classesSection } from "./tables/classes";
import { comparisonSection } from "./tables/comparison";
import { energySection } from "./tables/energy";
import { epsilonSection } from "./tables/epsilon";
import { stepsSection } from "./tables/steps";
import { timestepsSection } from "./tables/timesteps";
import { transferSection } from "./tables/transfer";
import { meaningOf, warningsSection } from "./tables/warnings";

/** What a report is made of. */
export interface ReportOptions {
  /** What stands at its head. @default the name of what was evaluated */
  readonly title?: string | undefined;
}

/**
 * Makes a report of runs: all its figures, from their ledgers, before they take a form. Nothing is computed by a model. Of several runs
 * the first is the one that others are compared with.
 *
 * @param paths folders of runs, or folders of such folders, as a study has
 * @throws HireSnnError INVALID_ARGUMENT without paths; RUN_INVALID if a folder holds no run, or one that contradicts itself; IO if a file
 *   cannot be read or a ledger's end is torn
 */
export async function createReport(paths: readonly string[], { title }: ReportOptions = {}): Promise<Report> {
  const read: RunData[] = [];
  // One at a time: each streams a ledger.
  for (const folder of await findRuns(paths)) read.push(await readRun(folder));
  const runs = labelRuns(read);
  const sections = [
    warningsSection(runs),
    accuracySection(runs),
    epsilonSection(runs),
    stepsSection(runs),
    timestepsSection(runs),
    activitySection(runs),
    energySection(runs),
    classesSection(runs),
    transferSection(runs),
    comparisonSection(runs),
    await gallerySection(runs),
    identitySection(runs),
  ];
  return {
    title: title ?? defaultTitle(runs),
    subtitle: describeRuns(runs),
    notes: [...new Set(runs.flatMap(({ notes, settings }) => (settings.length > 0 ? notes : [])))].map(
      (note) => `The hire preset is ${note}. ${meaningOf("HIRE_PRESET")}`,
    ),
    highlights: highlights(runs[0] as LabelledRun, runs.length > 1),
    runs: runs.map(({ label, folder }) => ({ label, folder })),
    sections: sections.filter((section): section is Section => section !== undefined),
    version: packageVersion(),
  };
}

function defaultTitle(runs: readonly LabelledRun[]): string {
  const names = [...new Set(runs.map(({ config }) => config.execution.target.name))];
  return names.length <= 2
    ? `Robustness of ${names.join(" and ")}`
    : `Robustness of ${names.length} networks`;
}

function describeRuns(runs: readonly LabelledRun[]): string {
  const distinct = (of: (run: LabelledRun) => string): string[] =>
    [...new Set(runs.map(of))].filter((text) => text !== "");
  const parts = [
    distinct(
      ({ config: { identity } }) =>
        `${identity.dataset.name} ${identity.dataset.split}, ${identity.dataset.samples} images`,
    ).join("; "),
    distinct(({ config: { identity } }) => timestepsLabel(identity.target)).join(", "),
    distinct(({ config: { identity } }) => (identity.target["coding"] === "rate" ? "rate coding" : "")).join(
      ", ",
    ),
    distinct(({ config: { execution } }) => execution.source?.name ?? "")
      .join(", ")
      .replace(/^(?=.)/, "black box by "),
    runs.length > 1 ? `${runs.length} runs` : "",
    distinct(({ config: { execution } }) => execution.startedAt.slice(0, 10))
      .sort()
      .filter((_, i, all) => i === 0 || i === all.length - 1)
      .join(" to "),
  ];
  return parts.filter((part) => part !== "").join(" · ");
}

/** Clean accuracy and those under the strongest attacks: what a run is known by. */
function highlights({ settings, label: run }: LabelledRun, several: boolean): Highlight[] {
  const titles = { none: "Clean", white: "Under white-box attack", black: "Under black-box attack" } as const;
  return strongest(settings).map(({ result, attack, attackName }) => {
    const epsilon =
      attack && !attackName.includes("ε") ? ` ε ${formatEpsilon(attack.threatModel.epsilon)}` : "";
    const details = [
      attack ? `${attackName}${epsilon}` : "",
      `${result.correct} of ${result.n} correct`,
      several ? run : "",
    ];
    return {
      label: titles[result.access],
      value: result.top1,
      interval: result.interval,
      detail: details.filter((part) => part !== "").join(", "),
    };
  });
}

function identitySection(runs: readonly LabelledRun[]): Section {
  return {
    id: "identity",
    title: "Identity",
    short: "Identity",
    text: ["All that decides the figures: with it a run can be repeated, and two runs told apart."],
    documents: runs.map(({ label, config }) => ({
      name: label,
      text: JSON.stringify(config.identity, undefined, 2),
    })),
  };
}
