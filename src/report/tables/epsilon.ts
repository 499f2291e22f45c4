import { lineChart, type Point } from "../charts/line-chart";
import { formatEpsilon } from "../format";
import { familyName, type LabelledRun } from "../labels";
import type { AttackIdentity } from "../../evaluation/run-config";
import type { Section, Table } from "../report-model";
import { accessNames, countColumns, intervalColumn, runColumn } from "./columns";
import { familiesOf } from "./families";

/** Robust accuracy against epsilon, raw and repaired, where an attack was run at several. */
export function epsilonSection(runs: readonly LabelledRun[]): Section | undefined {
  const families = runs.flatMap((run) =>
    familiesOf(
      run,
      ["epsilon", "stepSize"],
      2,
      ({ attack, result }) => `${familyName(attack as AttackIdentity)}, ${accessNames[result.access]}`,
    ),
  );
  if (families.length === 0) return undefined;
  const rows: Table["rows"] = families.flatMap(({ run, label, settings }) =>
    settings.map(({ result, attack }) => ({
      run: run.label,
      series: label,
      epsilon: formatEpsilon((attack as AttackIdentity).threatModel.epsilon),
      epsilonValue: (attack as AttackIdentity).threatModel.epsilon,
      accuracy: result.top1,
      interval: result.interval,
      repaired: result.repaired?.top1 ?? null,
      repairedInterval: result.repaired?.interval ?? null,
      correct: result.correct,
      repairedCorrect: result.repaired?.correct ?? null,
      samples: result.n,
    })),
  );
  const clean = new Map(runs.map((run) => [run, run.settings.find(({ attack }) => attack === null)?.result]));
  const points = families.flatMap(({ run, label, settings }): Point[] => {
    const start = clean.get(run);
    const at0 = start ? [{ x: 0, y: start.top1, low: start.interval[0], high: start.interval[1] }] : [];
    const attacked = settings.map(({ result, attack }) => {
      const { top1, interval } = result.repaired ?? result;
      const raw = result.repaired ? { raw: result.top1 } : {};
      return {
        x: 255 * (attack as AttackIdentity).threatModel.epsilon,
        y: top1,
        low: interval[0],
        high: interval[1],
        ...raw,
      };
    });
    return [...at0, ...attacked].map((point) => ({ ...point, series: label, panel: run.label }));
  });
  return {
    id: "epsilon",
    title: "Robust accuracy against ε",
    short: "ε",
    charts: [
      lineChart({
        id: "epsilon",
        title: "Robust accuracy, %, by the radius ε in 1/255",
        caption:
          "Lines show repaired figures, with bars for the 95 % interval: an adversarial image found at a smaller ε counts at larger ones, whose " +
          "radius it is within as well. Hollow marks are the raw figures where they differ. ε = 0 is the clean accuracy. A curve that does not fall to " +
          "zero at a large ε points at an attack that fails, not at robustness.",
        xTitle: "ε, in 1/255",
        points,
        percent: true,
      }),
    ],
    tables: [
      {
        id: "epsilon",
        title: "Robust accuracy by ε, raw and repaired",
        folded: true,
        columns: [
          runColumn,
          { key: "series", title: "Attack", format: "text" },
          { key: "epsilon", title: "ε", format: "text" },
          { key: "epsilonValue", title: "ε, value", format: "decimal", digits: 4, significant: true },
          { key: "accuracy", title: "Raw, %", format: "percent" },
          intervalColumn,
          { key: "repaired", title: "Repaired, %", format: "percent" },
          { key: "repairedInterval", title: "95 % interval, %", format: "interval" },
          countColumns[0] as (typeof countColumns)[number],
          { key: "repairedCorrect", title: "Correct, repaired", format: "integer" },
          countColumns[1] as (typeof countColumns)[number],
        ],
        rows,
      },
    ],
  };
}
