import type { Evaluation } from "../evaluation/evaluate";
import { HireSnnError } from "../errors";
import { markdownTable } from "../report/markdown";
import { trainingMethods, type TrainingMethod } from "../training/options";
import { tableColumns, type ColumnId } from "./columns";
import { markNotes, type FigureMark, type PublishedFigures } from "./published";

/** An accuracy that was measured. */
export interface TableFigure {
  /** From 0 to 1. */
  readonly top1: number;
  /** Wilson's at 95 %, over the choice of images. */
  readonly interval: readonly [low: number, high: number];
  readonly correct: number;
  readonly n: number;
}

/** A network's row of the paper's table. */
export interface TableRow {
  /** "hire-0" */
  readonly network: string;
  readonly method: TrainingMethod;
  readonly seed: number;
  readonly figures: Readonly<Record<ColumnId, TableFigure>>;
}

/** The paper's table as text, before it takes a form. */
export interface TextTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** What the marks of the paper's figures mean. */
  readonly notes: readonly string[];
}

const methodNames: Readonly<Record<TrainingMethod, string>> = {
  ann: "ANN",
  traditional: "Traditional SNN",
  hire: "HIRE SNN",
};

/** A row of an evaluation, white and black box. */
export function rowOf(
  { network, method, seed }: Pick<TableRow, "network" | "method" | "seed">,
  evaluation: Evaluation,
): TableRow {
  const figures = tableColumns.map(({ id, attack, access }): [ColumnId, TableFigure] => {
    const result = evaluation.results.find((each) => each.attack === attack && each.access === access);
    if (!result) {
      throw new HireSnnError(
        "INVALID_RESULT",
        `Expected ${attack}, ${access} among the results of ${network}`,
      );
    }
    const { top1, interval, correct, n } = result;
    return [id, { top1, interval, correct, n }];
  });
  return { network, method, seed, figures: Object.fromEntries(figures) as TableRow["figures"] };
}

/**
 * Rows of networks, method by method, and below each method what the paper has, with its mark.
 *
 * @param published undefined if the paper has nothing to compare with
 */
export function describeTable(rows: readonly TableRow[], published: PublishedFigures | undefined): TextTable {
  const marks: FigureMark[] = [];
  const numberOf = (mark: FigureMark): number => {
    if (!marks.includes(mark)) marks.push(mark);
    return marks.indexOf(mark) + 1;
  };
  const lines = trainingMethods.flatMap((method) => {
    const own = rows.filter((row) => row.method === method);
    const paper = tableColumns.map(({ id }) => {
      const known = published?.[method]?.[id];
      return known ? `${known.percent.toFixed(1)} [${numberOf(known.mark)}]` : "not known";
    });
    return [
      ...own.map(({ seed, figures }) => [
        `${methodNames[method]}, seed ${seed}`,
        ...tableColumns.map(({ id }) => describeFigure(figures[id])),
      ]),
      ...(published ? [["  the paper's", ...paper]] : []),
    ];
  });
  return {
    head: ["Accuracy, %", ...tableColumns.map(({ title }) => title)],
    rows: lines,
    notes: marks.map((mark, i) => `[${i + 1}] ${markNotes[mark]}`),
  };
}

function describeFigure({ top1, interval: [low, high] }: TableFigure): string {
  const percent = (share: number): string => (100 * share).toFixed(1);
  return `${percent(top1)} (${percent(low)} to ${percent(high)})`;
}

/** As Markdown. */
export function tableAsMarkdown({ head, rows, notes }: TextTable): string {
  const columns = head.map((title, i) => ({ title, isNumber: i > 0 }));
  return [markdownTable(columns, rows), ...notes].join("\n\n");
}
