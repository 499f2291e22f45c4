import { wilsonInterval } from "../../evaluation/wilson";
import { lineChart, type Point } from "../charts/line-chart";
import { formatEpsilon } from "../format";
import type { LabelledRun, Setting } from "../labels";
import { outcomeKey } from "../read-run";
import type { Section, Table } from "../report-model";
import { accessNames, countColumns, intervalColumn, runColumn } from "./columns";
import { familiesOf } from "./families";

/** Robust accuracy against the number of gradient steps: of attacks run with several, and along one attack by its first successes. */
export function stepsSection(runs: readonly LabelledRun[]): Section | undefined {
  const within = runs.flatMap(alongAttacks);
  const between = runs.flatMap(betweenAttacks);
  if (within.length + between.length === 0) return undefined;
  const rows = [...between, ...within];
  return {
    id: "steps",
    title: "Robust accuracy against PGD steps",
    short: "Steps",
    charts: [
      lineChart({
        id: "steps",
        title: "Robust accuracy, %, by gradient steps",
        caption:
          "“Any iterate” is read from one run: a sample counts as robust up to the step after which the attack first had another class, so the " +
          "line can only fall. Marks joined as “last iterate” are separate runs with that many steps, whose last image alone counts. A line that still " +
          "falls at its end says that more steps would find more.",
        xTitle: "gradient steps",
        points: rows.map((row) => ({
          ...{ x: row.steps, y: row.accuracy, low: row.interval[0], high: row.interval[1] },
          ...{ series: `${row.series}, ${row.counts}`, panel: row.run },
        })) satisfies Point[],
        percent: true,
        bars: false,
      }),
    ],
    tables: [
      {
        id: "steps",
        title: "Robust accuracy by gradient steps",
        folded: true,
        columns: [
          runColumn,
          { key: "series", title: "Attack", format: "text" },
          { key: "counts", title: "Counts", format: "text" },
          { key: "steps", title: "Steps", format: "integer" },
          { key: "accuracy", title: "Robust, %", format: "percent" },
          intervalColumn,
          ...countColumns,
        ],
        rows: rows as unknown as Table["rows"],
      },
    ],
  };
}

interface StepRow {
  readonly run: string;
  readonly series: string;
  readonly counts: "any iterate" | "last iterate";
  readonly steps: number;
  readonly accuracy: number;
  readonly interval: [number, number];
  readonly correct: number;
  readonly samples: number;
}

/** PGD in white box alone: in black box the ledger has when the source was fooled, which says nothing about the target. */
function alongAttacks(run: LabelledRun): StepRow[] {
  const stepped = run.settings.filter(
    ({ attack, result }) => stepsOf(attack) > 1 && result.access === "white",
  );
  // Of attacks that differ in their steps alone, the longest passes through what the others do.
  const longest = familiesOf({ ...run, settings: stepped }, ["steps"], 1, seriesName).map(
    ({ label, settings }) => ({
      label,
      setting: settings.at(-1) as Setting,
    }),
  );
  return longest.flatMap(({ label, setting }) => {
    const outcome = run.outcomes.get(outcomeKey(setting.result));
    if (!outcome || outcome.valid === 0 || outcome.firstSuccesses.length === 0) return [];
    let correct = outcome.valid;
    return Array.from({ length: stepsOf(setting.attack) + 1 }, (_, steps) => {
      correct -= outcome.firstSuccesses[steps] ?? 0;
      return stepRow(run, label, "any iterate", steps, correct, outcome.valid);
    });
  });
}

function betweenAttacks(run: LabelledRun): StepRow[] {
  return familiesOf(run, ["steps"], 2, seriesName).flatMap(({ label, settings }) =>
    settings.map(({ attack, result }) =>
      stepRow(run, label, "last iterate", stepsOf(attack), result.correct, result.n),
    ),
  );
}

function stepRow(
  run: LabelledRun,
  series: string,
  counts: StepRow["counts"],
  steps: number,
  correct: number,
  samples: number,
): StepRow {
  return {
    ...{ run: run.label, series, counts, steps, accuracy: correct / samples },
    ...{ interval: wilsonInterval(correct, samples), correct, samples },
  };
}

function stepsOf(attack: Setting["attack"]): number {
  const steps = attack?.parameters["steps"];
  return typeof steps === "number" ? steps : 0;
}

function seriesName({ attack, result }: Setting): string {
  return `${(attack?.name ?? "").toUpperCase()} ε ${formatEpsilon(attack?.threatModel.epsilon ?? 0)}, ${accessNames[result.access]}`;
}
