import type { Command } from "commander";
import { createReport } from "../report/create-report";
import { jsonOf } from "../report/json";
import { writeReport } from "../report/write-report";

interface ReportArguments {
  readonly out: string;
  readonly title?: string;
  readonly json?: boolean;
}

/** Adds `report RUN...`, which needs neither libtorch nor the addon. */
export function registerReport(program: Command): void {
  program
    .command("report")
    .summary("a report of runs and trainings: HTML, Markdown, CSV and JSON")
    .description(
      "Makes a report of the runs that evaluate --out has written and the logs that train has: one HTML file that opens from disk, and " +
        "the same figures as Markdown, CSV and JSON. Of several runs, the first is the one that others are compared with.",
    )
    .argument("<run...>", "folders of runs or trainings, or folders of such folders, as a study has")
    .requiredOption("-o, --out <dir>", "folder to write the report to")
    .option("--title <text>", "what stands at its head (default: what was evaluated or trained)")
    .option("--json", "print the figures as JSON besides")
    .action(async (runs: readonly string[], { out, title, json }: ReportArguments) => {
      const report = await createReport(runs, { title });
      const files = await writeReport(report, out);
      if (json) process.stdout.write(`${JSON.stringify(jsonOf(report), undefined, 2)}\n`);
      const lines = files.filter((file) => !file.endsWith(".csv"));
      (json ? process.stderr : process.stdout).write(
        `${lines.join("\n")}\nand ${files.length - lines.length} tables as CSV\n`,
      );
    });
}
