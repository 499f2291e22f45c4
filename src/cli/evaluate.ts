import { Option, type Command } from "commander";
import type { Attack } from "../attacks/attack";
import { isTorchScript } from "../checkpoint/torchscript-archive";
import type { Device } from "../classifiers/classifier";
import { checkDevice, checkTf32 } from "../classifiers/device";
import { loadModel } from "../classifiers/load-model";
import { NetworkClassifier } from "../classifiers/network-classifier";
import { SpikingClassifier, type Coding, type KernelOptions } from "../classifiers/spiking-classifier";
import type { SurrogateOptions } from "../networks/surrogate";
import type { TorchScriptClassifier } from "../classifiers/torchscript-classifier";
import { HireSnnError } from "../errors";
import { isAnn } from "../networks/network";
import { evaluate, type Evaluation } from "../evaluation/evaluate";
import type { Shard } from "../evaluation/shard";
import { getThreads, setThreads } from "../native/addon";
import type { Seed } from "../tensor/philox";
import { parseAttack } from "./attack-spec";
import { colorsOnStdout } from "./colors";
import { addDatasetOptions, openNamedDataset, type DatasetArguments } from "./dataset-options";
import { describeEvaluation } from "./evaluation-table";
import { interruptible } from "./interrupt";
import { kernelWords, parseKernels } from "./kernel-spec";
import { describeKernels } from "./kernel-table";
import { parseImageShape, parseInteger, parseNumber, parseSeed } from "./numbers";
import { statisticsOfPrograms, takesStatistics } from "./program-statistics";
import { ProgressLine } from "./progress-line";
import { parseSampleList, parseShard } from "./sample-spec";
import { defaultSurrogate, parseSurrogate } from "./surrogate-spec";

/** The options as commander gives them. */
interface EvaluateArguments extends DatasetArguments {
  readonly source?: string;
  readonly attack?: readonly string[];
  readonly preset?: string;
  readonly epsilon?: number;
  readonly samples?: number;
  readonly batchSize: number;
  readonly seed?: Seed;
  readonly device: Device;
  readonly tf32?: boolean;
  readonly threads?: number;
  readonly timesteps?: number;
  readonly network?: string;
  readonly coding?: Coding;
  readonly sourceTimesteps?: number;
  readonly sourceNetwork?: string;
  readonly out?: string;
  readonly resume?: boolean;
  readonly shard?: Shard;
  readonly saveAdversarial?: boolean;
  readonly savePng?: readonly number[];
  readonly surrogate?: SurrogateOptions;
  readonly quiet?: boolean;
  readonly json?: boolean;
  readonly kernels?: KernelOptions;
  readonly explain?: boolean;
  readonly output?: string;
  readonly sourceOutput?: string;
  readonly inputShape?: readonly [number, number, number];
  readonly dtype?: "float32" | "float64";
  readonly microBatch?: number;
  readonly allowZeroGradient?: boolean;
}

const examples = `
Examples:
  hire-snn evaluate vgg11_cifar100_hiresnn_tstep8_model.pt --dataset cifar100 --samples 1000
  hire-snn evaluate target.pt --source other.pt --dataset cifar10 --out runs/pair
  hire-snn evaluate target.pt --dataset cifar10 --attack fgsm --attack pgd:steps=20,step-size=2/255 --epsilon 8/255
  hire-snn evaluate resnet20.ts.pt --dataset cifar10 --attack pgd:steps=20,step-size=0.01,epsilon=8/255
  hire-snn evaluate target.pt --dataset folder --data imagenet --resize 256 --crop 224 \\
      --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225`;

/** Adds the command `evaluate`. */
export function registerEvaluate(program: Command): void {
  const integer = (name: string, least: number) => (text: string) => parseInteger(text, name, least);
  const command = program
    .command("evaluate")
    .summary("accuracy of a checkpoint or TorchScript program, clean and under attack")
    .description(
      "Measures the accuracy of a network on a data set, clean and under attack: white box, and with --source also black box. " +
        "A TorchScript archive is a program, and is run: evaluate those of people whom you trust.",
    )
    .argument(
      "<target>",
      "checkpoint of the spiking network to evaluate, or a TorchScript archive of any network",
    )
    .option(
      "--source <file>",
      "checkpoint or TorchScript archive of a second network: the target also classifies images made on it (black box)",
    );
  addDatasetOptions(command)
    .option(
      "--attack <spec>",
      "fgsm or pgd:steps=N,step-size=A[,random-start=false][,epsilon=E]; repeatable, replaces the preset",
      (spec: string, previous: readonly string[] | undefined) => [...(previous ?? []), spec],
    )
    .addOption(
      new Option(
        "--preset <name>",
        "attacks of the original scripts, for comparison with the paper (default: hire)",
      ).choices(["hire"]),
    )
    .option(
      "--epsilon <e>",
      "radius for every --attack without its own, in pixel units: 0.031, 8/255",
      (text) => parseNumber(text, "--epsilon"),
    )
    .option("--samples <n>", "the first n images, in file order (default: all)", integer("--samples", 1))
    .option("--batch-size <n>", "images computed together", integer("--batch-size", 1), 32)
    .option("--seed <n>", "of all random numbers (default: 0)", (text) => parseSeed(text, "--seed"))
    .option(
      "--device <name>",
      "where to compute: cpu, or a GPU as cuda or cuda:N",
      (text) => checkDevice(text),
      "cpu",
    )
    .option("--tf32", "on a GPU, products of 11 bits instead of float32's")
    .option("--threads <n>", "threads to compute with (default: all cores)", integer("--threads", 1))
    .option(
      "--timesteps <n>",
      "time steps (default: tstepN in the file's name, else 8)",
      integer("--timesteps", 1),
    )
    .addOption(
      new Option(
        "--coding <name>",
        "how images are shown: direct, or rate, whose spikes are drawn afresh at each time step (mean 0.5 and std 0.5 unless given; " +
          "default: the network file's, with its mean and std, else direct)",
      ).choices(["direct", "rate"]),
    )
    .option("--network <spec>", 'layers, if they are not recognised: "8,A,16,16,A/64,10", or a JSON file')
    .option(
      "--source-timesteps <n>",
      "of the source (default: as --timesteps)",
      integer("--source-timesteps", 1),
    )
    .option("--source-network <spec>", "of the source (default: as --network)")
    .option(
      "--kernels <words>",
      `how to compute: ${kernelWords.join(", ")}; separated by commas (default: the fastest)`,
      parseKernels,
    )
    .option("--explain", "print to stderr how each layer was computed, and its time")
    .option("--output <path>", "TorchScript: the logits among its outputs (default: found by shape)")
    .option("--source-output <path>", "of the source")
    .option(
      "--input-shape <CxHxW>",
      "TorchScript: of one image (default: its metadata's, else the data set's)",
      (text) => parseImageShape(text, "--input-shape"),
    )
    .addOption(
      new Option("--dtype <type>", "TorchScript: precision (default: its weights')").choices([
        "float32",
        "float64",
      ]),
    )
    .option(
      "--micro-batch <n>",
      "TorchScript: images that it is run on at once (default: 8, or 1 if it allows no more)",
      integer("--micro-batch", 1),
    )
    .option("--allow-zero-gradient", "go on with a model that gives no gradient to attack, and say so")
    .option("--out <dir>", "folder for the run's configuration, ledger and results")
    .option("--resume", "go on with the run in --out where it was interrupted, or begin it")
    .option(
      "--shard <i/n>",
      "compute the i-th of n parts of the samples; hire-snn merge joins them",
      parseShard,
    )
    .option("--save-adversarial", "keep all adversarial images in --out, as npz in float32")
    .option(
      "--save-png <list>",
      "keep pictures of some samples in --out: their indices, such as 0,7,9, or the first n, such as 5",
      parseSampleList,
    )
    .option(
      "--surrogate <spec>",
      `derivative of the firing step: a shape with its a and scale, such as atan:a=2,scale=absolute (default: the network file's, else ${defaultSurrogate})`,
      parseSurrogate,
    )
    .option("-q, --quiet", "no progress and no description of the models on stderr")
    .option("--json", "print the evaluation as JSON")
    .addHelpText("after", examples)
    .action(async (target: string, options: EvaluateArguments) => {
      const evaluation = await interruptible((signal) => run(target, options, signal));
      process.stdout.write(
        options.json
          ? `${JSON.stringify(evaluation, undefined, 2)}\n`
          : describeEvaluation(evaluation, colorsOnStdout()),
      );
    });
}

async function run(targetPath: string, options: EvaluateArguments, signal: AbortSignal): Promise<Evaluation> {
  // What needs no file is checked before anything is loaded.
  const attacks = chooseAttacks(options);
  checkTf32(options.tf32, options.device, "--tf32");
  if (options.threads !== undefined) setThreads(options.threads);
  const { source: sourcePath, samples, batchSize, seed, out, allowZeroGradient } = options;
  const paths = sourcePath === undefined ? [targetPath] : [targetPath, sourcePath];
  const hasProgram = paths.some(isTorchScript);

  const dataset = await openNamedDataset(hasProgram ? besidePrograms(options, paths) : options);
  const load = (path: string, own: ModelArguments) => {
    const { device, tf32, kernels, surrogate, coding, seed: codingSeed } = options;
    const { inputShape, dtype, microBatch } = options;
    // What is given for a data set is in it; a checkpoint takes it from there.
    const { mean, std } = isTorchScript(path) || coding === "rate" ? options : dataset;
    return loadModel(path, {
      ...{ ...own, device, tf32, kernels, surrogate, coding, codingSeed, mean, std },
      ...{ inputShape, microBatch, allowZeroGradient, dataset, signal },
      ...(isTorchScript(path) && { dtype }),
    });
  };
  try {
    const { timesteps, network, output } = options;
    using target = await load(targetPath, { timesteps, network, output });
    const ofSource = {
      timesteps: options.sourceTimesteps ?? timesteps,
      network: options.sourceNetwork ?? network,
      output: options.sourceOutput,
    };
    using source = sourcePath === undefined ? undefined : await load(sourcePath, ofSource);
    for (const classifier of source ? [target, source] : [target]) {
      if (!options.quiet) process.stderr.write(`${describeClassifier(classifier)}\n`);
    }
    const line = new ProgressLine(process.stderr, { signal });
    const { resume, shard, saveAdversarial, savePng } = options;
    try {
      const evaluation = await evaluate({
        ...{ target, source, dataset, attacks, samples, batchSize, seed, out, allowZeroGradient, signal },
        ...{ resume, shard, saveAdversarial, savePng },
        execution: { threads: getThreads() },
        onProgress: options.quiet
          ? undefined
          : (progress) => {
              line.update(progress);
            },
      });
      line.finish();
      if (options.explain) {
        for (const classifier of source ? [target, source] : [target]) {
          if (!(classifier instanceof NetworkClassifier)) continue;
          const { name, kernels: path } = classifier;
          process.stderr.write(describeKernels(name, path, await classifier.profile()));
        }
      }
      return evaluation;
    } finally {
      line.finish();
    }
  } finally {
    await dataset.close();
  }
}

/** What is said of the target and of the source apart. */
interface ModelArguments {
  readonly timesteps: number | undefined;
  readonly network: string | undefined;
  readonly output: string | undefined;
}

/** `--mean` and `--std` are a program's where it is run on a data set that has its own; another data set takes a program's. */
function besidePrograms(options: EvaluateArguments, paths: readonly string[]): DatasetArguments {
  const { mean, std, ...others } = options;
  if (!takesStatistics(options.dataset)) return others;
  if (mean !== undefined || std !== undefined) return options;
  return { ...options, ...statisticsOfPrograms(paths) };
}

/** What was loaded, and how what it does not say itself was found out. */
function describeClassifier(classifier: NetworkClassifier | TorchScriptClassifier): string {
  const { name, origin } = classifier;
  if (classifier instanceof NetworkClassifier) {
    const { network, timesteps } = classifier;
    const networkFrom = origin ? ` (${classifier.origin?.networkFrom})` : "";
    if (isAnn(network)) return `${name}: ${network.name}${networkFrom}, an ANN`;
    const timestepsFrom = origin ? ` (${classifier.origin?.timestepsFrom})` : "";
    const computedBy = classifier.device === "cpu" ? "" : `, ${classifier.kernels}`;
    const coding =
      classifier instanceof SpikingClassifier && classifier.randomised
        ? `, rate coding of mean ${classifier.mean.join(",")} and std ${classifier.std.join(",")}`
        : "";
    return `${name}: ${network.name}${networkFrom}, ${timesteps} time steps${timestepsFrom}${coding}${computedBy}`;
  }
  const { classes, dtype, inputShape, mean, std, microBatch, output } = classifier;
  const { inputShapeFrom, normalisationFrom } = classifier.origin;
  return (
    `${name}: TorchScript, ${dtype}, ${classes} classes${output === "" ? "" : ` in ${output}`}, ` +
    `images ${inputShape.join("x")} (${inputShapeFrom}), mean ${mean.join(",")} and std ${std.join(",")} ` +
    `(${normalisationFrom}), micro-batches of ${microBatch}`
  );
}

/** The attacks that the options name, or the preset. */
export function chooseAttacks({
  attack,
  epsilon,
}: Pick<EvaluateArguments, "attack" | "epsilon">): readonly Attack[] | "hire" {
  if (attack !== undefined) return attack.map((spec) => parseAttack(spec, epsilon));
  if (epsilon === undefined) return "hire";
  throw new HireSnnError(
    "INVALID_ARGUMENT",
    "Expected --attack with --epsilon, since the preset has an epsilon of its own; for the preset's attacks name them: " +
      "--attack fgsm --attack pgd:steps=7,step-size=0.01",
  );
}
