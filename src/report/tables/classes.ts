import { classesChart } from "../charts/classes-chart";
import { className, type LabelledRun } from "../labels";
import { outcomeKey } from "../read-run";
import type { Section, Table } from "../report-model";
import { runColumn } from "./columns";

/** Accuracy by true class, clean and under each attack: robustness on average can hide classes without any. */
export function classesSection(runs: readonly LabelledRun[]): Section {
  const parts = runs.map((run) => ({ run, rows: classRows(run) }));
  return {
    id: "classes",
    title: "Robustness by class",
    short: "Classes",
    text: [
      "Accuracy over the images of each true class. A class has few images, so small differences mean little; a class at zero under an attack " +
        "that leaves others standing is worth a look.",
    ],
    // One plot a run, of the first ones: more would not be read.
    charts: parts
      .slice(0, 2)
      .map(({ run, rows }, i) => classesChart(`classes-${i + 1}`, run, rows, runs.length > 1)),
    tables: parts.map(({ run, rows }, i) => ({
      id: `classes-${i + 1}`,
      title: runs.length > 1 ? `Accuracy by class, %: ${run.label}` : "Accuracy by class, %",
      folded: true,
      pivot: { rows: "class", columns: "setting", value: "accuracy", shaded: true },
      columns: [
        runColumn,
        { key: "class", title: "Class", format: "text" },
        { key: "setting", title: "Attack", format: "text" },
        { key: "accuracy", title: "Top-1, %", format: "percent" },
        { key: "correct", title: "Correct", format: "integer" },
        { key: "samples", title: "Images", format: "integer" },
      ],
      rows: rows as unknown as Table["rows"],
    })),
  };
}

export interface ClassRow {
  readonly run: string;
  readonly class: string;
  readonly setting: string;
  readonly accuracy: number;
  readonly correct: number;
  readonly samples: number;
}

function classRows(run: LabelledRun): ClassRow[] {
  return run.settings.flatMap(({ label, result }) => {
    const outcome = run.outcomes.get(outcomeKey(result));
    return (outcome?.samplesOfClass ?? []).flatMap((samples, index) => {
      if (samples === 0) return [];
      const correct = outcome?.correctOfClass[index] ?? 0;
      return [
        {
          run: run.label,
          class: className(run, index),
          setting: label,
          accuracy: correct / samples,
          correct,
          samples,
        },
      ];
    });
  });
}
