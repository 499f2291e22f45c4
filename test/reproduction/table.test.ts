import { tableColumns } from "../../src/reproduction/columns";
import { publishedVgg11 } from "../../src/reproduction/published";
import { describeTable, tableAsMarkdown, type TableRow } from "../../src/reproduction/table";

const figure = { top1: 0.5, interval: [0.4, 0.6], correct: 5, n: 10 } as const;
const rows = (["hire", "ann"] as const).map((method): TableRow => {
  const figures = Object.fromEntries(tableColumns.map(({ id }) => [id, figure])) as TableRow["figures"];
  return { network: `${method}-0`, method, seed: 0, figures };
});

test("the paper's figures stand below ours with where they are from, else as not known", () => {
  const { rows: lines, notes } = describeTable(rows, publishedVgg11);
  const measured = tableColumns.map(() => "50.0 (40.0 to 60.0)");
  const unknown = "not known";
  expect(lines).toEqual([
    ["ANN, seed 0", ...measured],
    ["  the paper's", unknown, "16.9 [1]", "8.2 [1]", "23.6 [1]", "15.3 [1]"],
    ["  the paper's", unknown, "16.3 [1]", "2.8 [1]", "19.0 [1]", "6.2 [1]"],
    ["HIRE SNN, seed 0", ...measured],
    ["  the paper's", "65.1 [2]", "22.0 [2]", "7.5 [2]", unknown, unknown],
  ]);
  expect(notes).toEqual([
    expect.stringMatching(/^\[1\].*figure 1/),
    expect.stringMatching(/^\[2\] recalled/),
  ]);
});

test("where the paper has nothing to compare with, its rows are left out", () => {
  const table = describeTable(rows, undefined);
  expect(table.rows.map(([name]) => name)).toEqual(["ANN, seed 0", "HIRE SNN, seed 0"]);
  expect(table.notes).toEqual([]);
  expect(tableAsMarkdown(table).split("\n")).toHaveLength(4);
});
