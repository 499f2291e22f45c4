import { formatCell, isNumeric } from "../format";
import { viewOf } from "../pivot";
import type { Cell, Column, Table } from "../report-model";
import { escapeHtml } from "./escape";

/** Rows from which on a table scrolls by itself. */
const tall = 24;

/** A table that sorts by a click on its heads, folded where the plot above says the same. */
export function tableHtml(table: Table): string {
  const { columns, rows, shaded } = viewOf(table);
  const first = columns.findIndex((column) => !isNumeric(column));
  const head = columns.map(
    (column) =>
      `<th scope="col" aria-sort="none"${classAttribute(isNumeric(column) && "number")}><button type="button">${unbroken(escapeHtml(column.title))}</button></th>`,
  );
  const body = rows.map(
    (row) =>
      `<tr>${columns.map((column, i) => cell(row[column.key], column, i === first, shaded.has(column.key))).join("")}</tr>`,
  );
  const scroll = `<div class="scroll${rows.length > tall ? " tall" : ""}" tabindex="0" role="region" aria-label="${escapeHtml(table.title)}">
<table data-sortable id="table-${escapeHtml(table.id)}"><thead><tr>${head.join("")}</tr></thead><tbody>
${body.join("\n")}
</tbody></table></div>`;
  return table.folded
    ? `<details><summary>${escapeHtml(table.title)}</summary>${scroll}</details>`
    : `<h3>${escapeHtml(table.title)}</h3>${scroll}`;
}

/** Heads wrap between words, not inside "Top-1" or "PGD-7". */
function unbroken(text: string): string {
  return text.replace(/\S*-\S*/g, '<span class="short">$&</span>');
}

function cell(value: Cell | undefined, column: Column, isHead: boolean, isShaded: boolean): string {
  const text = escapeHtml(formatCell(value, column));
  const short = text.length <= 26 && "short";
  if (isHead) return `<th scope="row"${classAttribute(short)}>${text}</th>`;
  if (!isNumeric(column)) return `<td${classAttribute("text", short)}>${text}</td>`;
  const sortable = Array.isArray(value) ? (value as readonly number[])[0] : value;
  const data = ` data-v="${sortable === null || sortable === undefined ? "" : escapeHtml(String(sortable))}"`;
  const style = isShaded && typeof value === "number" ? ` style="--value:${value.toFixed(3)}"` : "";
  return `<td${classAttribute("number", style !== "" && "shaded")}${data}${style}>${text}</td>`;
}

function classAttribute(...names: readonly (string | false)[]): string {
  const given = names.filter((name) => name !== false);
  return given.length === 0 ? "" : ` class="${given.join(" ")}"`;
}
