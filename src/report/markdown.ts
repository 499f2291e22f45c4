import { formatCell, isNumeric, percent } from "./format";
import { viewOf } from "./pivot";
import type { Report, Section, Table } from "./report-model";

/** A report as Markdown with the tables of GitHub's dialect. Plots and images are in the HTML alone. */
export function markdownOf(report: Report): string {
  const { title, subtitle, notes, highlights, sections, version } = report;
  const parts = [
    `# ${escaped(title)}`,
    escaped(subtitle),
    ...notes.map((note) => `> ${escaped(note)}`),
    highlights
      .map(
        ({ label, value, interval: [low, high], detail }) =>
          `- ${escaped(label)}: **${percent(value)} %** (95 %: ${percent(low)} to ${percent(high)}), ${escaped(detail)}`,
      )
      .join("\n"),
    ...sections.flatMap(sectionOf),
    `Made by hire-snn ${escaped(version)}.`,
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

function sectionOf({
  title,
  text = [],
  tables = [],
  gallery = [],
  warnings = [],
  documents = [],
}: Section): string[] {
  return [
    `## ${escaped(title)}`,
    ...text.map(escaped),
    ...tables.flatMap((table) => [`### ${escaped(table.title)}`, tableOf(table)]),
    ...(gallery.length > 0 ? [`${gallery.length} sets of images are in the HTML file.`] : []),
    ...warnings.map(({ code, meaning, messages }) =>
      [
        `- **${escaped(code)}**: ${escaped(meaning)}`,
        ...messages.map(({ run, message }) => `  - ${escaped(message)} (${escaped(run)})`),
      ].join("\n"),
    ),
    ...documents.flatMap(({ name, text: content }) => [`### ${escaped(name)}`, fenced(content)]),
  ];
}

function tableOf(table: Table): string {
  const { columns, rows } = viewOf(table);
  return markdownTable(
    columns.map((column) => ({ title: column.title, isNumber: isNumeric(column) })),
    rows.map((row) => columns.map((column) => formatCell(row[column.key], column))),
  );
}

/** A table of GitHub's dialect; numbers stand right. */
export function markdownTable(
  columns: readonly { readonly title: string; readonly isNumber: boolean }[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    line(columns.map(({ title }) => escaped(title))),
    line(columns.map(({ isNumber }) => (isNumber ? "---:" : "---"))),
    ...rows.map((row) => line(row.map(escaped))),
  ].join("\n");
}

/** Text that means nothing to Markdown and HTML, and stays in its table cell. */
function escaped(text: string): string {
  return text
    .replace(/[\r\n\t\p{Cc}]+/gu, " ")
    .replace(/[\\`*_[\]{}<>#|~!&]/g, (character) =>
      character === "&" ? "&amp;" : character === "<" ? "&lt;" : `\\${character}`,
    );
}

/** A fence longer than any in the text. */
function fenced(text: string): string {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map(({ length }) => length));
  const fence = "`".repeat(longest + 1);
  return `${fence}json\n${text}\n${fence}`;
}
