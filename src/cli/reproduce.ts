import { Argument, type Command } from "commander";
import pc from "picocolors";
import type { Device } from "../classifiers/classifier";
import { checkDevice } from "../classifiers/device";
import { HireSnnError } from "../errors";
import { setThreads } from "../native/addon";
import type { ReproductionPlan } from "../reproduction/plan";
import { presetNames } from "../reproduction/presets";
import { reproduce, type Reproduction } from "../reproduction/reproduce";
import { colorsOnStdout } from "./colors";
import { interruptible } from "./interrupt";
import { parseInteger } from "./numbers";
import { plainTable } from "./plain-table";
import { describeDuration, ProgressLine } from "./progress-line";
import { StatusLine } from "./status-line";
import { describeEpoch, describeStatus } from "./training-text";

interface ReproduceArguments {
  readonly budget?: number;
  readonly data?: string;
  readonly samples?: number;
  readonly trainings?: string;
  readonly device?: Device;
  readonly mixedPrecision?: boolean;
  readonly out: string;
  readonly resume?: boolean;
  readonly threads?: number;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

const examples = `
Examples:
  hire-snn reproduce vgg5-cifar10 --budget 60m --out runs/vgg5
  hire-snn reproduce vgg5-cifar10 --out runs/vgg5 --resume
  hire-snn reproduce vgg5-cifar10 --trainings runs --samples 1000 --out runs/table   # of runs/ann-0, runs/traditional-0, runs/hire-0, runs/ann-1, ...`;

/** Adds the command `reproduce`. */
export function registerReproduce(program: Command): void {
  const integer = (name: string) => (text: string) => parseInteger(text, name, 1);
  program
    .command("reproduce")
    .summary("train, attack and compare ANN, traditional and HIRE networks, as the paper does")
    .description(
      "Trains an ANN, and from it a traditional and a HIRE spiking network, each from two seeds; evaluates all clean and under the original's " +
        "FGSM and PGD, white box and black box (made on the network of the same method and the other seed); prints the paper's table with " +
        "what is known of the paper's own figures, and leaves a report. --resume goes on after any end.",
    )
    .addArgument(new Argument("<preset>", "network and data set").choices(presetNames))
    .requiredOption("-o, --out <dir>", "folder of the reproduction: plan, trainings, runs, table, report")
    .option(
      "--budget <time>",
      "fit images and epochs into it: 60m, 2h, 1h30m (default: the whole schedule)",
      parseTime,
    )
    .option("--data <path>", "the data set's folder (default: $HIRE_SNN_DATA, else the cache folder)")
    .option("--samples <n>", "test images (default: all, or what fits the budget)", integer("--samples"))
    .option(
      "--trainings <dir>",
      "evaluate finished trainings in ann-0, traditional-0, hire-0, ann-1, ... of this folder",
    )
    .option(
      "--device <name>",
      "where to train, and attack spiking networks: cpu, cuda or cuda:N (default: where it began, else cpu)",
      (text) => checkDevice(text),
    )
    .option("--mixed-precision", "train with products in bfloat16: for GPUs")
    .option("--resume", "go on with what is in the folder, or begin")
    .option("--threads <n>", "threads to compute with (default: all cores)", integer("--threads"))
    .option("-q, --quiet", "no progress on stderr")
    .option("--json", "print plan and table as JSON")
    .addHelpText("after", examples)
    .action(async (preset: string, options: ReproduceArguments) => {
      const done = await interruptible((signal) => run(preset, options, signal));
      process.stdout.write(
        options.json
          ? `${JSON.stringify(done, undefined, 2)}\n`
          : describeReproduction(done, colorsOnStdout()),
      );
    });
}

async function run(preset: string, options: ReproduceArguments, signal: AbortSignal): Promise<Reproduction> {
  const { threads, budget: budgetSeconds, quiet = false, ...asked } = options;
  if (threads !== undefined) setThreads(threads);
  const training = new StatusLine(process.stderr);
  let evaluation = new ProgressLine(process.stderr);
  const finishLines = (): void => {
    training.finish();
    evaluation.finish();
  };
  // One for all lines that there will be: what is said of an interruption stands below them.
  signal.addEventListener("abort", finishLines, { once: true });
  const say = (text: string): void => {
    finishLines();
    process.stderr.write(`${text}\n`);
  };
  try {
    return await reproduce({
      ...{ ...asked, preset, budgetSeconds, signal },
      onWarning: (message) => say(`Warning: ${message}`),
      ...(!quiet && {
        onPlan: (plan) => say(describePlan(plan)),
        onStage: (stage) => {
          say(stage);
          evaluation = new ProgressLine(process.stderr);
        },
        onTraining: (status) => training.update(() => describeStatus(status)),
        onEpoch: (epoch) => say(describeEpoch(epoch)),
        onEvaluation: (progress) => evaluation.update(progress),
      }),
    });
  } finally {
    finishLines();
  }
}

function describePlan({
  budgetSeconds,
  estimatedSeconds,
  trained,
  trainings,
  samples,
}: ReproductionPlan): string {
  const heading =
    trained !== null
      ? `Evaluation of the trainings in ${trained}`
      : budgetSeconds === null || estimatedSeconds === null
        ? "The whole schedule"
        : `Fitted to ${describeDuration(budgetSeconds)}; estimated: ${describeDuration(estimatedSeconds)}`;
  const lines = trainings.map(({ name, settings: { epochs, trainingImages, timesteps, method } }) => {
    const images = trainingImages === undefined ? "all images" : `${trainingImages} images`;
    const time = method === "ann" || timesteps === undefined ? "" : `, T = ${timesteps}`;
    return `  ${name}: ${epochs ?? 10} epochs of ${images}${time}`;
  });
  return [heading, ...lines, `  evaluation: ${samples} test images`].join("\n");
}

/** The paper's table, and where the rest is. */
function describeReproduction({ title, plan, table, report }: Reproduction, colored: boolean): string {
  const colors = pc.createColors(colored);
  const sections = [
    `${colors.bold(title)}, ${plan.samples} test images`,
    plainTable(
      table.head,
      table.rows.map((row) => [...row]),
      1,
      colors,
    ),
    [
      ...table.notes,
      "In brackets: 95 % intervals (Wilson) over the choice of images; between the seeds lies what training adds.",
      "Black box: images made on the network of the same method and the other seed.",
    ].join("\n"),
    `Report: ${report[0] ?? ""}`,
  ];
  return `${sections.join("\n\n")}\n`;
}

/**
 * Seconds of a time such as "90s", "60m", "2h" or "1h30m".
 *
 * @throws HireSnnError INVALID_ARGUMENT for anything else
 */
export function parseTime(text: string): number {
  const match = /^(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?$/.exec(text);
  const [hours, minutes, seconds] = [1, 2, 3].map((group) => Number(match?.[group] ?? 0));
  const time = 3600 * (hours ?? 0) + 60 * (minutes ?? 0) + (seconds ?? 0);
  if (time > 0) return time;
  throw new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected a time such as 90s, 60m or 1h30m for --budget but received "${text}"`,
  );
}
