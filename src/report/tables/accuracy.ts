import { accuracyChart } from "../charts/accuracy-chart";
import { mostSeries } from "../charts/theme";
import { formatEpsilon } from "../format";
import { familyName, type LabelledRun } from "../labels";
import type { Section, Table } from "../report-model";
import {
  accessColumn,
  accessNames,
  attackColumn,
  countColumns,
  epsilonColumn,
  intervalColumn,
  runColumn,
} from "./columns";

/** More rows than one can read in a plot. */
const mostPlotted = 32;

/** The headline: every result with its interval, ties and samples without a result. */
export function accuracySection(runs: readonly LabelledRun[]): Section {
  const settings = runs.flatMap((run) => run.settings);
  const table: Table = {
    id: "accuracy",
    title: "Accuracy, clean and under attack",
    columns: [
      runColumn,
      attackColumn,
      accessColumn,
      epsilonColumn,
      { key: "accuracy", title: "Top-1, %", format: "percent" },
      intervalColumn,
      ...countColumns,
      { key: "top5", title: "Top-5, %", format: "percent" },
      { key: "loss", title: "Loss, nats", format: "decimal", digits: 3 },
      { key: "ties", title: "Ties", format: "integer" },
      { key: "tiesCorrect", title: "Ties correct", format: "integer", onlyIfDifferent: true },
      { key: "zeroGradient", title: "Zero grad.", format: "integer" },
      { key: "invalid", title: "Invalid", format: "integer" },
    ],
    rows: settings.map(({ run, result, attack, attackName }) => ({
      run: run.label,
      attack: attack && attackName.includes(" ε ") ? familyName(attack) : attackName,
      access: accessNames[result.access],
      epsilon: attack ? formatEpsilon(attack.threatModel.epsilon) : "",
      accuracy: result.top1,
      interval: result.interval,
      correct: result.correct,
      samples: result.n,
      top5: result.top5,
      loss: result.loss,
      ties: result.ties.samples,
      tiesCorrect: result.ties.correct,
      zeroGradient: result.zeroGradient.samples,
      invalid: result.invalid,
    })),
  };
  return {
    id: "accuracy",
    title: "Accuracy, clean and under attack",
    short: "Accuracy",
    text: [
      "White box follows the gradients of the evaluated network; black box makes the images on another network. Every image is attacked, " +
        "also one that is misclassified already, and all figures are over all images.",
    ],
    charts: settings.length > mostPlotted || runs.length > mostSeries ? [] : [accuracyChart(settings)],
    tables: [table],
  };
}
