import type { Report } from "./report-model";

/** Version of `report.json`. */
export const reportSchemaVersion = 1;

/** A report as data: every table with its rows as they were computed, by the table's id. */
export function jsonOf({
  title,
  subtitle,
  notes,
  highlights,
  runs,
  trainings,
  sections,
  version,
}: Report): Record<string, unknown> {
  return {
    schemaVersion: reportSchemaVersion,
    version,
    title,
    subtitle,
    notes,
    highlights,
    runs,
    trainings,
    warnings: sections.flatMap(({ warnings = [] }) => warnings),
    tables: Object.fromEntries(
      sections
        .flatMap(({ tables = [] }) => tables)
        .map(({ id, title: name, columns, rows }) => [
          id,
          {
            title: name,
            columns: columns.map(({ key, title: head, format }) => ({ key, title: head, format })),
            rows,
          },
        ]),
    ),
  };
}
