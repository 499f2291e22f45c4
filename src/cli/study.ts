import type { Command } from "commander";
import { openDataset } from "../datasets/open-dataset";
import { study, studyModel, type Study, type StudyModel } from "../evaluation/study";
import type { Shard } from "../evaluation/shard";
import { getThreads, setThreads } from "../native/addon";
import { describeEvaluation } from "./evaluation-table";
import { colorsOnStdout } from "./colors";
import { interruptible } from "./interrupt";
import { statisticsOfPrograms, takesStatistics } from "./program-statistics";
import { ProgressLine } from "./progress-line";
import { parseShard } from "./sample-spec";
import type { ModelFile } from "./study-file";

interface StudyArguments {
  readonly shard?: Shard;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** Adds the command `study`. */
export function registerStudy(program: Command): void {
  program
    .command("study")
    .summary("run the product of models, sources, attacks, time steps, ... from a file")
    .description(
      "Computes every evaluation that a file in YAML or JSON describes by lists of models, sources, attacks, epsilons, steps, timesteps, " +
        "leaks and surrogates, each into a run folder of its own. What several need is computed once. Started again, it goes on where it was. " +
        "A TorchScript archive among the models is a program, and is run: name those of people whom you trust.",
    )
    .argument("<file>", "the study's description; examples/study.yaml is one")
    .option(
      "--shard <i/n>",
      "compute the i-th of n parts of the samples, into a folder OUT-i-of-n beside the file's; hire-snn merge joins runs of these",
      parseShard,
    )
    .option("-q, --quiet", "no progress on stderr")
    .option("--json", "print the runs and their results as JSON")
    .action(async (file: string, options: StudyArguments) => {
      const done = await interruptible((signal) => run(file, options, signal));
      process.stdout.write(
        options.json
          ? `${JSON.stringify(done, undefined, 2)}\n`
          : done.runs.map(({ evaluation }) => describeEvaluation(evaluation, colorsOnStdout())).join("\n"),
      );
    });
}

async function run(path: string, options: StudyArguments, signal: AbortSignal): Promise<Study> {
  // YAML's and the schema's packages take a third of the command line's start: other commands go without them.
  const { readStudyFile } = await import("./study-file.js");
  const { models, sources, dataset: named, threads, device, tf32, ...others } = await readStudyFile(path);
  if (threads !== undefined) setThreads(threads);
  const { name, ...where } = named;
  const isSilent = takesStatistics(name) && where.mean === undefined && where.std === undefined;
  const files = [...models, ...sources].map(({ file }) => file);
  const dataset = await openDataset(name, { ...where, ...(isSilent && statisticsOfPrograms(files)) });
  const line = new ProgressLine(process.stderr, { signal });
  try {
    const { allowZeroGradient } = others;
    const load = ({ file, name, ...settings }: ModelFile): StudyModel =>
      studyModel(file, { ...settings, name, device, tf32, allowZeroGradient, dataset, signal }, name);
    return await study({
      ...others,
      ...{ models: models.map(load), sources: sources.map(load), dataset, shard: options.shard, signal },
      execution: { threads: getThreads() },
      onProgress: options.quiet
        ? undefined
        : (progress) => {
            line.update(progress);
          },
    });
  } finally {
    line.finish();
    await dataset.close();
  }
}
