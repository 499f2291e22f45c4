import { describeAttack } from "../../evaluation/run-config";
import type { LabelledRun, Setting } from "../labels";
import { outcomeKey } from "../read-run";
import type { Section, Table } from "../report-model";
import { holmAdjust } from "../statistics/holm";
import { mcnemarTest } from "../statistics/mcnemar";
import { accessNames, attackColumn } from "./columns";

/** The chance at which a difference is said to exceed the noise. */
const alpha = 0.05;

/** Runs side by side, and each against the first on the same samples. */
export function comparisonSection(runs: readonly LabelledRun[]): Section | undefined {
  const [baseline, ...others] = runs;
  if (!baseline || others.length === 0) return undefined;
  const refused: string[] = [];
  const pairs = others.flatMap((other) => {
    const problem = whyNotPaired(baseline, other);
    if (problem !== null) {
      refused.push(`${other.label}: ${problem}, so no test on the same images is possible.`);
      return [];
    }
    return comparisons(baseline, other);
  });
  const adjusted = holmAdjust(pairs.map(({ p }) => p));
  return {
    id: "comparison",
    title: "Runs side by side",
    short: "Side by side",
    text: [
      `Each run against the first, ${baseline.label}, on the same images: the difference of the accuracies in percentage points, the images that ` +
        "only one of the two has right, and the exact McNemar test of whether these could be as uneven by chance. Adjusted p-values are Holm's over all " +
        `${pairs.length} tests of the table; a difference exceeds the noise where they are at most ${alpha}. Images without a result in either run are left out.`,
      ...refused,
    ],
    tables: [
      sideBySide(runs),
      ...(pairs.length === 0
        ? []
        : [
            {
              id: "comparison",
              title: `Differences to ${baseline.label}`,
              columns: [
                { key: "run", title: "Run", format: "text", onlyIfDifferent: true },
                attackColumn,
                { key: "access", title: "Access", format: "text" },
                { key: "difference", title: "Difference, points", format: "points" },
                { key: "onlyBaseline", title: "Only first right", format: "integer" },
                { key: "onlyRun", title: "Only this right", format: "integer" },
                { key: "samples", title: "Images", format: "integer" },
                { key: "p", title: "p", format: "p-value" },
                { key: "pAdjusted", title: "p, Holm", format: "p-value" },
                { key: "exceedsNoise", title: "Exceeds noise", format: "text" },
              ],
              rows: pairs.map((pair, i) => ({
                ...pair,
                pAdjusted: adjusted[i] as number,
                exceedsNoise: (adjusted[i] as number) <= alpha ? "yes" : "no",
              })),
            } satisfies Table,
          ]),
    ],
  };
}

function sideBySide(runs: readonly LabelledRun[]): Table {
  return {
    id: "side-by-side",
    title: "Top-1, %",
    pivot: { rows: "setting", columns: "run", value: "accuracy" },
    columns: [
      { key: "setting", title: "Attack", format: "text" },
      { key: "run", title: "Run", format: "text" },
      { key: "accuracy", title: "Top-1, %", format: "percent" },
      { key: "samples", title: "Images", format: "integer" },
    ],
    rows: runs.flatMap(({ label: run, settings }) =>
      settings.map(({ label: setting, result }) => ({
        setting,
        run,
        accuracy: result.top1,
        samples: result.n,
      })),
    ),
  };
}

/** @returns null where the two have the same images */
function whyNotPaired(baseline: LabelledRun, run: LabelledRun): string | null {
  const [first, other] = [baseline, run].map(({ config }) => config.identity.dataset) as [
    DatasetIdentity,
    DatasetIdentity,
  ];
  const named = ({ name, split, sha256 }: DatasetIdentity): string =>
    `${name} ${split} (${sha256.slice(0, 12)})`;
  if (first.sha256 !== other.sha256 || first.split !== other.split) {
    return `its data are ${named(other)} and not ${named(first)}`;
  }
  const clean = outcomeKey({ attack: "clean", access: "none" });
  const [ofFirst, ofOther] = [baseline, run].map(({ outcomes }) => outcomes.get(clean));
  if (ofFirst && ofOther && ofFirst.pairedWith(ofOther) === null) {
    return `its ledger has ${ofOther.rows} images, which are not the ${ofFirst.rows} of the first run`;
  }
  return null;
}

type DatasetIdentity = LabelledRun["config"]["identity"]["dataset"];

function comparisons(
  baseline: LabelledRun,
  other: LabelledRun,
): (Record<string, string | number> & { p: number })[] {
  return other.settings.flatMap((setting) => {
    const match = baseline.settings.find((candidate) => sameAttack(candidate, setting));
    const first = match && baseline.outcomes.get(outcomeKey(match.result));
    const second = other.outcomes.get(outcomeKey(setting.result));
    const counts = first && second && first.pairedWith(second);
    if (!counts || counts.n === 0) return [];
    const { n, onlyFirst, onlySecond } = counts;
    return [
      {
        run: other.label,
        attack: setting.attackName,
        access: accessNames[setting.result.access],
        difference: (onlySecond - onlyFirst) / n,
        onlyBaseline: onlyFirst,
        onlyRun: onlySecond,
        samples: n,
        p: mcnemarTest(counts),
      },
    ];
  });
}

/** Of one name with the same parameters: another epsilon is another question. */
function sameAttack(a: Setting, b: Setting): boolean {
  if (a.result.access !== b.result.access) return false;
  return (a.attack && describeAttack(a.attack)) === (b.attack && describeAttack(b.attack));
}
