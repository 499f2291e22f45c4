import type { Cell, Column, Pivot, Table } from "./report-model";

/** A table as people see it: columns that tell rows apart, matrices spread out. */
export interface TableView {
  readonly columns: readonly Column[];
  readonly rows: readonly Readonly<Record<string, Cell>>[];
  /** Keys of the columns that are shaded by their value. */
  readonly shaded: ReadonlySet<string>;
}

/** What is shown of a table: as it is, or as the matrix that it asks for. */
export function viewOf(table: Table): TableView {
  if (table.pivot) return pivoted(table, table.pivot);
  const columns = table.columns.filter(
    ({ key, onlyIfDifferent }) => !onlyIfDifferent || new Set(table.rows.map((row) => row[key])).size > 1,
  );
  return { columns, rows: table.rows, shaded: new Set() };
}

function pivoted(table: Table, pivot: Pivot): TableView {
  const { shown } = pivot;
  const kept = shown ? table.rows.filter((row) => shown.includes(String(row[pivot.columns]))) : table.rows;
  const names = (key: string): string[] => [...new Set(kept.map((row) => String(row[key])))];
  const turned = !pivot.fixed && names(pivot.columns).length > names(pivot.rows).length;
  const [rowKey, columnKey] = turned ? [pivot.columns, pivot.rows] : [pivot.rows, pivot.columns];
  const column = (key: string): Column => table.columns.find((candidate) => candidate.key === key) as Column;
  const value = column(pivot.value);
  const keyOf = new Map(names(columnKey).map((name, i) => [name, `column${i}`]));
  const rows = new Map<string, Record<string, Cell>>();
  for (const row of kept) {
    const name = String(row[rowKey]);
    const spread = rows.get(name) ?? { [rowKey]: row[rowKey] as Cell };
    spread[keyOf.get(String(row[columnKey])) as string] = row[pivot.value] as Cell;
    rows.set(name, spread);
  }
  return {
    columns: [
      column(rowKey),
      ...[...keyOf].map(([title, key]) => ({ ...value, key, title, onlyIfDifferent: false })),
    ],
    rows: [...rows.values()],
    shaded: new Set(pivot.shaded ? keyOf.values() : []),
  };
}
