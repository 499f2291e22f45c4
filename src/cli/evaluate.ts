import { Option, type Command } from "commander";
import type { Attack } from "../attacks/attack";
import { loadClassifier } from "../classifiers/load-classifier";
import type { KernelOptions, SpikingClassifier } from "../classifiers/spiking-classifier";
import { HireSnnError } from "../errors";
import { evaluate, type Evaluation } from "../evaluation/evaluate";
import { getThreads, setThreads } from "../native/addon";
import type { Seed } from "../tensor/philox";
import { parseAttack } from "./attack-spec";
import { colorsOnStdout } from "./colors";
import { addDatasetOptions, openNamedDataset, type DatasetArguments } from "./dataset-options";
import { describeEvaluation } from "./evaluation-table";
import { interruptible } from "./interrupt";
import { kernelWords, parseKernels } from "./kernel-spec";
import { describeKernels } from "./kernel-table";
import { parseInteger, parseNumber, parseSeed } from "./numbers";
import { ProgressLine } from "./progress-line";

/** The options as commander gives them. */
interface EvaluateArguments extends DatasetArguments {
  readonly source?: string;
  readonly attack?: readonly string[];
  readonly preset?: string;
  readonly epsilon?: number;
  readonly samples?: number;
  readonly batchSize: number;
  readonly seed?: Seed;
  readonly device: string;
  readonly threads?: number;
  readonly timesteps?: number;
  readonly network?: string;
  readonly sourceTimesteps?: number;
  readonly sourceNetwork?: string;
  readonly out?: string;
  readonly json?: boolean;
  readonly kernels?: KernelOptions;
  readonly explain?: boolean;
}

const examples = `
Examples:
  hire-snn evaluate vgg11_cifar100_hiresnn_tstep8_model.pt --dataset cifar100 --samples 1000
  hire-snn evaluate target.pt --source other.pt --dataset cifar10 --out runs/pair
  hire-snn evaluate target.pt --dataset cifar10 --attack fgsm --attack pgd:steps=20,step-size=2/255 --epsilon 8/255
  hire-snn evaluate target.pt --dataset folder --data imagenet --resize 256 --crop 224 \\
      --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225`;

/** Adds the command `evaluate`. */
export function registerEvaluate(program: Command): void {
  const integer = (name: string, least: number) => (text: string) => parseInteger(text, name, least);
  const command = program
    .command("evaluate")
    .summary("accuracy of a checkpoint, clean and under attack")
    .description(
      "Measures the accuracy of a spiking network on a data set, clean and under attack: white box, and with --source also black box.",
    )
    .argument("<target>", "checkpoint of the network to evaluate")
    .option(
      "--source <file>",
      "checkpoint of a second network: the target also classifies images made on it (black box)",
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
    .option("--seed <n>", "of the random starts (default: 0)", (text) => parseSeed(text, "--seed"))
    .option("--device <name>", "where to compute", "cpu")
    .option("--threads <n>", "threads to compute with (default: all cores)", integer("--threads", 1))
    .option(
      "--timesteps <n>",
      "time steps (default: tstepN in the file's name, else 8)",
      integer("--timesteps", 1),
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
    .option("--out <dir>", "folder for the run's configuration, ledger and results")
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
  checkDevice(options.device);
  if (options.threads !== undefined) setThreads(options.threads);
  const { source: sourcePath, samples, batchSize, seed, out, timesteps, network, kernels } = options;

  const dataset = await openNamedDataset(options);
  try {
    const { mean, std } = dataset;
    using target = await loadClassifier(targetPath, { timesteps, network, mean, std, kernels, signal });
    using source =
      sourcePath === undefined
        ? undefined
        : await loadClassifier(sourcePath, {
            timesteps: options.sourceTimesteps ?? timesteps,
            network: options.sourceNetwork ?? network,
            mean,
            std,
            kernels,
            signal,
          });
    for (const classifier of source ? [target, source] : [target]) {
      process.stderr.write(`${describeClassifier(classifier)}\n`);
    }
    const line = new ProgressLine(process.stderr);
    try {
      const evaluation = await evaluate({
        ...{ target, source, dataset, attacks, samples, batchSize, seed, out, signal },
        execution: { threads: getThreads() },
        onProgress: (progress) => {
          line.update(progress);
        },
      });
      line.finish();
      if (options.explain) {
        for (const classifier of source ? [target, source] : [target]) {
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

/** What was loaded, and how its network and time steps were found out. */
function describeClassifier({ name, network, timesteps, origin }: SpikingClassifier): string {
  const networkFrom = origin ? ` (${origin.networkFrom})` : "";
  const timestepsFrom = origin ? ` (${origin.timestepsFrom})` : "";
  return `${name}: ${network.name}${networkFrom}, ${timesteps} time steps${timestepsFrom}`;
}

function chooseAttacks({ attack, epsilon }: EvaluateArguments): readonly Attack[] | "hire" {
  if (attack !== undefined) return attack.map((spec) => parseAttack(spec, epsilon));
  if (epsilon === undefined) return "hire";
  throw new HireSnnError(
    "INVALID_ARGUMENT",
    "Expected --attack with --epsilon, since the preset has an epsilon of its own; for the preset's attacks name them: " +
      "--attack fgsm --attack pgd:steps=7,step-size=0.01",
  );
}

function checkDevice(device: string): void {
  if (device === "cpu") return;
  throw new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected cpu for --device but received "${device}": this version computes on the CPU`,
  );
}
