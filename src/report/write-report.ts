import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { HireSnnError } from "../errors";
import { csvOf } from "./csv";
import { htmlOf } from "./html/page";
import { jsonOf } from "./json";
import { markdownOf } from "./markdown";
import type { Report } from "./report-model";

/**
 * Writes a report into a folder, which is made if it does not exist: `report.html`, which needs no other file, `report.md`, `report.json`,
 * and `csv/TABLE.csv` for each table. Files of an earlier report are replaced.
 *
 * @returns the paths of the files
 * @throws HireSnnError IO if a file cannot be written, or an image of a run cannot be read
 */
export async function writeReport(report: Report, folder: string): Promise<string[]> {
  const files: [name: string, text: string][] = [
    ["report.html", await htmlOf(report)],
    ["report.md", markdownOf(report)],
    ["report.json", `${JSON.stringify(jsonOf(report), undefined, 2)}\n`],
    ...report.sections
      .flatMap(({ tables = [] }) => tables)
      .map((table): [string, string] => [join("csv", `${table.id}.csv`), csvOf(table)]),
  ];
  try {
    await mkdir(join(folder, "csv"), { recursive: true });
    for (const [name, text] of files) await writeFile(join(folder, name), text, "utf8");
  } catch (error) {
    throw new HireSnnError("IO", `Could not write the report to ${folder}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return files.map(([name]) => join(folder, name));
}
