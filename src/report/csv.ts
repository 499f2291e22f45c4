import type { Cell, Table } from "./report-model";

/**
 * A table as CSV (RFC 4180): the values as they were computed, every row and column. Text that a spreadsheet would run as a formula
 * gets an apostrophe in front, as OWASP advises against "CSV injection"; numbers are never quoted.
 */
export function csvOf({ columns, rows }: Table): string {
  const head = columns.flatMap(({ key, format }) =>
    format === "interval" ? [`${key}_low`, `${key}_high`] : [key],
  );
  const lines = rows.map((row) =>
    columns.flatMap(({ key, format }) => {
      const value = row[key] ?? null;
      if (format !== "interval") return [field(value)];
      const [low, high] = (value ?? [null, null]) as [Cell, Cell];
      return [field(low), field(high)];
    }),
  );
  return [head.map(field), ...lines].map((line) => `${line.join(",")}\r\n`).join("");
}

function field(value: Cell): string {
  if (value === null) return "";
  if (typeof value !== "string") return String(value);
  const inert = /^[=+\-@\t\r\n]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert;
}
