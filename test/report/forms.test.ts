import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createReport } from "../../src/report/create-report";
import { formatCell } from "../../src/report/format";
import type { Cell, Report, Table } from "../../src/report/report-model";
import { viewOf } from "../../src/report/pivot";
import { writeReport } from "../../src/report/write-report";
import { temporaryFolder } from "../support/temporary-folder";
import { attack, fourImages, row, writeRun, type HandMade } from "./hand-made-run";

const root = temporaryFolder();

interface Written {
  readonly report: Report;
  readonly html: string;
  readonly markdown: string;
  readonly json: { tables: Record<string, Pick<Table, "columns" | "rows">> };
  readonly csv: (id: string) => string;
}

async function write(name: string, runs: readonly HandMade[]): Promise<Written> {
  const folders = runs.map((run, i) => {
    const folder = join(root, name, `run${i}`);
    writeRun(folder, run);
    return folder;
  });
  const report = await createReport(folders);
  const out = join(root, name, "out");
  const files = await writeReport(report, out);
  expect(files).toHaveLength(3 + readdirSync(join(out, "csv")).length);
  const read = (file: string): string => readFileSync(join(out, file), "utf8");
  return {
    report,
    html: read("report.html"),
    markdown: read("report.md"),
    json: JSON.parse(read("report.json")) as Written["json"],
    csv: (id) => read(join("csv", `${id}.csv`)),
  };
}

/** Cells of a CSV text, by RFC 4180. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let cells: string[] = [];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)) {
    cells.push(quoted?.replaceAll('""', '"') ?? plain ?? "");
    if (end === ",") continue;
    rows.push(cells);
    cells = [];
  }
  return rows;
}

const unescapeHtml = (text: string): string =>
  text
    .replace(/<[^>]*>/g, "")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&amp;", "&");

function htmlCells(html: string, id: string): string[][] {
  const table = new RegExp(`id="table-${id}">(.*?)</table>`, "s").exec(html)?.[1] ?? "";
  return [...table.matchAll(/<tr>(.*?)<\/tr>/gs)].map(([, line = ""]) =>
    [...line.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/gs)].map(([, cell = ""]) => unescapeHtml(cell)),
  );
}

function markdownCells(markdown: string, title: string): string[][] {
  const at = markdown.indexOf(`### ${title}\n`);
  const lines = markdown.slice(at).split("\n").slice(2);
  return lines
    .slice(0, lines.indexOf(""))
    .filter((_, i) => i !== 1)
    .map((line) =>
      line
        .slice(2, -2)
        .split(" | ")
        .map((cell) => unescapeHtml(cell.replace(/\\(.)/g, "$1"))),
    );
}

test("HTML, Markdown, CSV and JSON have the same figures", async () => {
  const other = { ...fourImages, name: "other.pt", rows: fourImages.rows.map((each) => ({ ...each })) };
  const { report, html, markdown, json, csv } = await write("same", [fourImages, other]);
  const tables = report.sections.flatMap(({ tables: own = [] }) => own);
  expect(tables.map(({ id }) => id)).toEqual(
    expect.arrayContaining(["accuracy", "epsilon", "steps", "classes-1", "activity-1", "comparison"]),
  );
  for (const table of tables) {
    const { columns, rows } = viewOf(table);
    const shown = [
      columns.map(({ title }) => title),
      ...rows.map((cells) => columns.map((column) => formatCell(cells[column.key], column))),
    ];
    expect(htmlCells(html, table.id)).toEqual(shown);
    expect(markdownCells(markdown, table.title)).toEqual(shown);

    // JSON has every row as it was computed, and CSV the same values.
    expect(json.tables[table.id]?.rows).toEqual(JSON.parse(JSON.stringify(table.rows)));
    const [head = [], ...lines] = parseCsv(csv(table.id));
    expect(lines).toHaveLength(table.rows.length);
    for (const [i, line] of lines.entries()) {
      const values = table.columns.flatMap(({ key, format }): Cell[] => {
        const value = table.rows[i]?.[key] ?? null;
        return format === "interval" ? [...((value ?? [null, null]) as Cell[])] : [value];
      });
      expect(head).toHaveLength(values.length);
      expect(line).toEqual(values.map((value) => (value === null ? "" : String(value as number))));
    }
  }
});

const hostile = [
  "</script><script>alert(1)</script>",
  '"><img src=x onerror=alert(1)>',
  "=cmd|' /C calc'!A1",
  "a|b\n\u2028# heading <b>&amp; [x](javascript:alert(1))",
  "-->]]><!--",
];

test("names from files and labels are text in every form", async () => {
  const [name, source, label, id, className] = hostile as [string, string, string, string, string];
  const rows = fourImages.rows.map((each) => (each.attack === "near" ? { ...each, attack: id } : each));
  const warnings = [
    { code: "TIES", message: name },
    { code: "constructor", message: source },
  ];
  const { html, markdown, csv, json } = await write("hostile", [
    {
      ...fourImages,
      rows: [...rows, row(0, 0, id, false, { access: "black" })],
      attacks: [attack(id, label, 0.1), ...(fourImages.attacks ?? []).slice(1)],
      ...{ name, source, classes: [className, source], results: { note: label, warnings } },
    },
  ]);
  expect(html).not.toMatch(/<script>alert|<img src=x|<b>|<!--(?!\s)/);
  expect(html.match(/<script(?! type="application\/json")/g)).toHaveLength(1);
  // Specifications are whole, and say what was said.
  const specs = [...html.matchAll(/<script type="application\/json" id="spec-[\w-]+">(.*?)<\/script>/gs)];
  expect(specs.length).toBeGreaterThan(2);
  expect(specs.map(([, text = ""]) => JSON.stringify(JSON.parse(text))).join()).toContain(
    JSON.stringify(className).slice(1, -1),
  );
  for (const [drawing] of html.matchAll(/<svg .*?<\/svg>/gs))
    expect(drawing).not.toMatch(/<script|onerror=(?!alert\(1\)&gt;)/);

  // What is fenced is code, whatever it looks like.
  const prose = markdown.replace(/^(`{3,})json\n.*?\n\1$/gms, "");
  expect(prose).not.toMatch(/<script|<img|^# heading|\]\(javascript/m);
  for (const line of markdownCells(markdown, "Accuracy, clean and under attack"))
    expect(line).toHaveLength(13);

  const cells = parseCsv(csv("accuracy"));
  expect(cells.flat().filter((cell) => /^[=+@\t\r]/.test(cell))).toEqual([]);
  expect(cells.flat()).toContain(`'${label}`);
  expect(JSON.stringify(json)).toContain(JSON.stringify(name).slice(1, -1));
});

test("a report that cannot be written, or whose images are none, is an error with a code", async () => {
  const folder = join(root, "unwritable");
  writeRun(folder, fourImages);
  const report = await createReport([folder]);
  await expect(writeReport(report, join(folder, "config.json"))).rejects.toMatchObject({ code: "IO" });
  writeFileSync(join(folder, "no.png"), "GIF89a");
  const gallery = { title: "", images: [{ role: "clean" as const, path: join(folder, "no.png") }] };
  const broken = { ...report, sections: [{ id: "gallery", title: "", short: "", gallery: [gallery] }] };
  await expect(writeReport(broken, join(folder, "out"))).rejects.toMatchObject({ code: "RUN_INVALID" });
});
