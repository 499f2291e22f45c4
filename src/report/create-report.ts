import { packageVersion } from "../version";
import { findFolders } from "./find-folders";
import { formatEpsilon } from "./format";
import { gallerySection } from "./gallery";
import { labelRuns, timestepsLabel, type LabelledRun } from "./labels";
import { readRun, type RunData } from "./read-run";
import { readTrainings, type TrainingData } from "./read-training";
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
import { trainingSection } from "./tables/training";
import { transferSection } from "./tables/transfer";
import { meaningOf, warningsSection } from "./tables/warnings";

/** What a report is made of. */
export interface ReportOptions {
  /** What stands at its head. @default the name of what was evaluated or trained */
  readonly title?: string | undefined;
}

/**
 * Makes a report of runs and trainings: all its figures, from their ledgers and logs, before they take a form. Nothing is computed by a
 * model. Of several runs the first is the one that others are compared with.
 *
 * @param paths folders of runs or trainings, or folders of such folders, as a study and a reproduction have
 * @throws HireSnnError INVALID_ARGUMENT without paths; RUN_INVALID if a folder holds neither run nor training, or one that contradicts
 *   itself; IO if a file cannot be read or a ledger's end is torn
 */
export async function createReport(paths: readonly string[], { title }: ReportOptions = {}): Promise<Report> {
  const folders = await findFolders(paths);
  const read: RunData[] = [];
  // One at a time: each streams a ledger.
  for (const folder of folders.runs) read.push(await readRun(folder));
  const runs = labelRuns(read);
  const trainings = await readTrainings(folders.trainings);
  const sections = [...(runs.length > 0 ? await sectionsOfRuns(runs) : []), trainingSection(trainings)];
  const [first] = runs;
  return {
    title:
      title ??
      defaultTitle(runs.length > 0 ? runs.map(nameOf) : trainings.map(({ label }) => label), runs.length > 0),
    subtitle: runs.length > 0 ? describeRuns(runs) : describeTrainings(trainings),
    notes: [...new Set(runs.flatMap(({ notes, settings }) => (settings.length > 0 ? notes : [])))].map(
      (note) => `The hire preset is ${note}. ${meaningOf("HIRE_PRESET")}`,
    ),
    highlights: first ? highlights(first, runs.length > 1) : [],
    runs: runs.map(({ label, folder }) => ({ label, folder })),
    trainings: trainings.map(({ label, folder }) => ({ label, folder })),
    // What the sections before follow from stands last.
    sections: [...sections, ...(runs.length > 0 ? [identitySection(runs)] : [])].filter(
      (section): section is Section => section !== undefined,
    ),
    version: packageVersion(),
  };
}

async function sectionsOfRuns(runs: readonly LabelledRun[]): Promise<(Section | undefined)[]> {
  return [
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
  ];
}

function nameOf({ config }: LabelledRun): string {
  return config.execution.target.name;
}

/** @param evaluated whether it is the networks' robustness that is reported, and not their training alone */
function defaultTitle(all: readonly string[], evaluated: boolean): string {
  const names = [...new Set(all)];
  const what = names.length <= 2 ? names.join(" and ") : `${names.length} networks`;
  return `${evaluated ? "Robustness" : "Training"} of ${what}`;
}

function describeTrainings(trainings: readonly TrainingData[]): string {
  return [...new Set(trainings.map(({ network }) => network))].join(", ");
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
