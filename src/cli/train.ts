import { readFileSync } from "node:fs";
import { Option, type Command } from "commander";
import { checkDevice } from "../classifiers/device";
import { HireSnnError } from "../errors";
import { setThreads } from "../native/addon";
import { trainingMethods, type TrainingSettings } from "../training/options";
import { train, type TrainedModel } from "../training/train";
import { addDatasetOptions, openNamedDataset, type DatasetArguments } from "./dataset-options";
import { interruptible } from "./interrupt";
import { parseBoolean, parseInteger, parseNumber, parseSeed } from "./numbers";
import { StatusLine } from "./status-line";
import { defaultSurrogate, parseSurrogate } from "./surrogate-spec";
import { describeEpoch, describeStatus } from "./training-text";

/** The options as commander gives them: those of a training by the names of its settings. */
interface TrainArguments extends DatasetArguments {
  readonly config?: string;
  readonly out: string;
  readonly resume?: boolean;
  readonly threads?: number;
  readonly json?: boolean;
  readonly [setting: string]: unknown;
}

/** Options that are settings of the same name; those within a group are written "group.name". */
const settingOptions: Readonly<Record<string, string>> = {
  method: "method",
  network: "network",
  from: "from",
  timesteps: "timesteps",
  coding: "coding",
  surrogate: "surrogate",
  epochs: "epochs",
  batchSize: "batchSize",
  lr: "learningRate",
  schedule: "schedule.kind",
  optimizer: "optimizer",
  momentum: "momentum",
  weightDecay: "weightDecay",
  dropout: "dropout",
  trainingImages: "trainingImages",
  heldOut: "heldOut",
  cropPadding: "cropPadding",
  flip: "flip",
  seed: "seed",
  periods: "hire.periods",
  noiseStep: "hire.noiseStep",
  noiseBound: "hire.noiseBound",
  noiseGradient: "hire.gradient",
  noise: "hire.noise",
  calibrationImages: "calibration.images",
  calibrationTimesteps: "calibration.timesteps",
  thresholdScale: "calibration.scale",
  checkpointMinutes: "checkpointMinutes",
  plain: "plain",
  device: "device",
  mixedPrecision: "mixedPrecision",
};

const examples = `
Examples:
  hire-snn train --method ann --network VGG5 --dataset cifar10 --epochs 30 --out runs/ann
  hire-snn train --method traditional --network VGG5 --dataset cifar10 --timesteps 6 --from runs/ann/model.pt --out runs/snn
  hire-snn train --method hire --periods 2 --network VGG5 --dataset cifar10 --timesteps 6 --from runs/ann/model.pt --out runs/hire
  hire-snn train --config hire.yaml --dataset cifar10 --out runs/hire --resume`;

/** Adds the command `train`. */
export function registerTrain(program: Command): void {
  const integer = (name: string, least: number) => (text: string) => parseInteger(text, name, least);
  const number = (name: string) => (text: string) => parseNumber(text, name);
  const command = program
    .command("train")
    .summary("train an ANN, a spiking network, or one by HIRE-SNN's crafted noise")
    .description(
      "Trains a network on the training part of a data set. The folder can be gone on with by --resume after any end, and then ends in " +
        "the same checkpoint. Every setting can stand in a file (--config), under the names of the Node API.",
    )
    .addOption(new Option("--method <name>", "what is trained, and how").choices(trainingMethods))
    .option("--network <spec>", 'VGG5, or layers: "8,A,16,16,A/64,10"');
  addDatasetOptions(command, true, "train")
    .option("--from <checkpoint>", "an ANN or a spiking network to begin with (default: initial weights)")
    .option("--timesteps <n>", "time steps (default: 8)", integer("--timesteps", 1))
    .addOption(
      new Option(
        "--coding <name>",
        "how images are shown: direct, or rate, whose spikes are drawn afresh in each epoch (with mean 0.5 and std 0.5, whatever the data " +
          "set's are; not to an ANN; default: direct)",
      ).choices(["direct", "rate"]),
    )
    .option(
      "--surrogate <spec>",
      `derivative of the firing step: a shape with its a and scale, such as atan:a=2,scale=absolute (default: ${defaultSurrogate})`,
      parseSurrogate,
    )
    .option("--epochs <n>", "passes through the images (default: 10)", integer("--epochs", 1))
    .option("--batch-size <n>", "images of a mini-batch (default: 64)", integer("--batch-size", 1))
    .option("--lr <rate>", "learning rate (default: 0.01 for an ANN, else 0.0001)", number("--lr"))
    .addOption(
      new Option("--schedule <kind>", "of the learning rate (default: cosine)").choices([
        "constant",
        "step",
        "cosine",
      ]),
    )
    .addOption(
      new Option("--optimizer <name>", "default: sgd for an ANN, else adam").choices(["sgd", "adam"]),
    )
    .option("--momentum <m>", "of sgd (default: 0.9)", number("--momentum"))
    .option(
      "--weight-decay <d>",
      "of the weights (default: 0.0005 for an ANN, else 0)",
      number("--weight-decay"),
    )
    .option("--dropout <p>", "probability (default: 0.2)", number("--dropout"))
    .option(
      "--training-images <n>",
      "images to train on (default: all but those held out)",
      integer("--training-images", 1),
    )
    .option(
      "--held-out <n>",
      "images to measure the accuracy on (default: a tenth, at most 5,000)",
      integer("--held-out", 0),
    )
    .option(
      "--crop-padding <n>",
      "random crops of the padded image (default: 4 for CIFAR)",
      integer("--crop-padding", 0),
    )
    .option("--flip <bool>", "random mirror images (default: true for CIFAR)", (text) =>
      parseBoolean(text, "--flip"),
    )
    .option("--seed <n>", "of all random numbers (default: 0)", (text) => {
      const seed = parseSeed(text, "--seed");
      return typeof seed === "bigint" ? String(seed) : seed;
    })
    .option("--periods <n>", "hire: parts of the time steps (default: 2)", integer("--periods", 1))
    .option("--noise-step <s>", "hire: in pixel units (default: 8/255)", number("--noise-step"))
    .option("--noise-bound <b>", "hire: in pixel units (default: 8/255)", number("--noise-bound"))
    .addOption(
      new Option(
        "--noise-gradient <way>",
        "hire: the period before's, or of a pass of its own (default: reuse)",
      ).choices(["reuse", "recompute"]),
    )
    .addOption(
      new Option("--noise <way>", "hire: from one mini-batch to the next (default: restart)").choices([
        "restart",
        "keep",
      ]),
    )
    .option(
      "--calibration-images <n>",
      "to find thresholds on (default: 512)",
      integer("--calibration-images", 1),
    )
    .option("--calibration-timesteps <n>", "default: 100", integer("--calibration-timesteps", 1))
    .option(
      "--threshold-scale <s>",
      "of the thresholds that are found (default: 0.6)",
      number("--threshold-scale"),
    )
    .option(
      "--checkpoint-minutes <m>",
      "between checkpoints within an epoch (default: 5)",
      number("--checkpoint-minutes"),
    )
    .option("--device <name>", "where to compute: cpu, cuda or cuda:N (default: cpu)", (text) =>
      checkDevice(text),
    )
    .option("--mixed-precision", "multiply in bfloat16, on libtorch's dense layers: for GPUs")
    .option("--plain", "compute on libtorch's dense layers, which GPUs always do")
    .option("--threads <n>", "threads to compute with (default: all cores)", integer("--threads", 1))
    .option("--config <file>", "settings as YAML or JSON; options replace them")
    .requiredOption("--out <dir>", "folder of the training")
    .option("--resume", "go on with the training in the folder")
    .option("--json", "print the last epoch as JSON")
    .addHelpText("after", examples)
    .action(async (options: TrainArguments) => {
      const model = await interruptible((signal) => run(options, signal));
      process.stdout.write(options.json ? `${JSON.stringify(model, undefined, 2)}\n` : `${model.path}\n`);
    });
}

async function run(options: TrainArguments, signal: AbortSignal): Promise<TrainedModel> {
  const settings = await settingsOf(options);
  if (options.threads !== undefined) setThreads(options.threads);
  // A folder of shapes is one set, whatever it is used for.
  const dataset = await openNamedDataset(
    options.dataset === "shapes" ? { ...options, split: "test" } : options,
  );
  const line = new StatusLine(process.stderr);
  try {
    return await train({
      ...settings,
      ...{ dataset, signal, out: options.out, resume: options.resume },
      onProgress: (status) => {
        line.update(() => describeStatus(status));
      },
      onEpoch: (epoch) => {
        line.finish();
        process.stderr.write(`${describeEpoch(epoch)}\n`);
      },
      onWarning: (message) => process.stderr.write(`Warning: ${message}\n`),
    });
  } finally {
    line.finish();
    await dataset.close();
  }
}

/** The file's settings, and over them the options'. */
async function settingsOf(options: TrainArguments): Promise<TrainingSettings> {
  const settings = options.config === undefined ? {} : await readConfig(options.config);
  for (const [option, path] of Object.entries(settingOptions)) {
    const value = options[option];
    if (value === undefined) continue;
    const [group = "", name] = path.split(".");
    if (name === undefined) settings[group] = value;
    else settings[group] = { ...(settings[group] as object | undefined), [name]: value };
  }
  // What is not right in it, train() says.
  return settings as unknown as TrainingSettings;
}

async function readConfig(path: string): Promise<Record<string, unknown>> {
  // Only where there is a file: every command would wait for it.
  const { parse: parseYaml } = await import("yaml");
  let content: unknown;
  try {
    content = parseYaml(readFileSync(path, "utf8"));
  } catch (error) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Cannot read the settings in ${path}: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
  if (typeof content === "object" && content !== null && !Array.isArray(content)) {
    return { ...content };
  }
  throw new HireSnnError("INVALID_ARGUMENT", `Expected settings by their names in ${path}`);
}
