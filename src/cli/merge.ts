import type { Command } from "commander";
import { mergeRuns } from "../evaluation/merge";
import { colorsOnStdout } from "./colors";
import { describeEvaluation } from "./evaluation-table";

/** Adds the command `merge`. */
export function registerMerge(program: Command): void {
  program
    .command("merge")
    .summary("join the shards of an evaluation")
    .description(
      "Joins the folders of evaluate --shard into one, as if the run had never been cut, with adversarial images and pictures. Refuses " +
        "gaps, overlaps, unfinished shards and shards of other runs.",
    )
    .argument("<dir...>", "the shards' folders, in any order")
    .requiredOption("-o, --out <dir>", "folder of the whole run; it must not exist, or be empty")
    .option("--json", "print the evaluation as JSON")
    .action(async (folders: readonly string[], options: { out: string; json?: boolean }) => {
      const evaluation = await mergeRuns(folders, options.out);
      process.stdout.write(
        options.json
          ? `${JSON.stringify(evaluation, undefined, 2)}\n`
          : describeEvaluation(evaluation, colorsOnStdout()),
      );
    });
}
