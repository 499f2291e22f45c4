import { statSync } from "node:fs";
import { Option, type Command } from "commander";
import { isTorchScript } from "../checkpoint/torchscript-archive";
import { openCheckpoint } from "../checkpoint/open-checkpoint";
import type { Device } from "../classifiers/classifier";
import { AnnClassifier } from "../classifiers/ann-classifier";
import { checkDevice } from "../classifiers/device";
import { loadClassifier } from "../classifiers/load-classifier";
import { spikingModel, syntheticActivity, type Activity } from "../energy/activity";
import { compareEnergies, type EnergyOptions } from "../energy/compare-energies";
import type { Borders } from "../energy/conventions";
import { layerTable } from "../energy/layer-table";
import { presetNames, type PresetName } from "../energy/presets";
import { HireSnnError } from "../errors";
import { evaluate } from "../evaluation/evaluate";
import { activityOf, whyWithoutEnergies } from "../evaluation/results-activity";
import { setThreads } from "../native/addon";
import { namedNetwork } from "../networks/named-network";
import type { Network } from "../networks/network";
import { resolveNetwork } from "../networks/resolve-network";
import { resolveTimesteps, type Timesteps } from "../networks/timesteps";
import { readRun } from "../report/read-run";
import type { Seed } from "../tensor/philox";
import { colorsOnStdout } from "./colors";
import { addDatasetOptions, openNamedDataset, type DatasetArguments } from "./dataset-options";
import { describeEnergyReport, type EnergyReport } from "./energy-table";
import { chooseAttacks } from "./evaluate";
import { columnOf } from "./evaluation-table";
import { interruptible } from "./interrupt";
import { parseInteger, parseNumber, parseSeed } from "./numbers";
import { ProgressLine } from "./progress-line";

/** The options as commander gives them. */
interface EnergyArguments extends Omit<DatasetArguments, "dataset"> {
  readonly dataset?: DatasetArguments["dataset"];
  readonly network?: string;
  readonly timesteps?: number;
  readonly rates?: readonly number[];
  readonly samples?: number;
  readonly batchSize: number;
  readonly attack?: readonly string[];
  readonly epsilon?: number;
  readonly clean?: boolean;
  readonly seed?: Seed;
  readonly device: Device;
  readonly threads?: number;
  readonly preset: PresetName;
  readonly borders: Borders;
  readonly annZeros?: number;
  readonly definitions?: boolean;
  readonly json?: boolean;
}

const examples = `
Examples:
  hire-snn energy vgg11_cifar100_hiresnn_tstep8_model.pt --dataset cifar100 --samples 1000
  hire-snn energy vgg5.pt --dataset cifar10 --attack pgd:steps=7,step-size=0.01 --epsilon 8/255 --preset int8
  hire-snn energy runs/vgg11
  hire-snn energy vgg5.pt --rates 5%,10%,20%
  hire-snn energy --network VGG11 --classes 100 --timesteps 8 --rates 5%,10%,20%`;

/** Adds the command `energy`. */
export function registerEnergy(program: Command): void {
  const integer = (name: string, least: number) => (text: string) => parseInteger(text, name, least);
  const command = program
    .command("energy")
    .summary("activity and energy of a spiking network, under every convention beside the ANN")
    .description(
      "Counts what a spiking network does on a data set, clean and under attack, and says what that takes under every convention of the " +
        "field, beside a network of the same layers without spikes. With --rates it needs neither data nor weights.",
    )
    .argument(
      "[checkpoint]",
      "of the spiking network, or the folder of a run, from which nothing is run; not needed for --rates with --network",
    );
  addDatasetOptions(command, false)
    .option(
      "--rates <list>",
      "spikes per neuron and time step, instead of a data set: 5%,10% or 0.05,0.1",
      parseRates,
    )
    .option("--network <spec>", 'a name (VGG11) or layers ("8,A,16,16,A/64,10")')
    .option(
      "--timesteps <n>",
      "time steps (default: tstepN in the file's name, else 8)",
      integer("--timesteps", 1),
    )
    .option("--samples <n>", "the first n images, in file order (default: all)", integer("--samples", 1))
    .option("--batch-size <n>", "images computed together", integer("--batch-size", 1), 32)
    .option(
      "--attack <spec>",
      "fgsm or pgd:steps=N,step-size=A[,...], white box; repeatable (default: the original scripts' attacks)",
      (spec: string, previous: readonly string[] | undefined) => [...(previous ?? []), spec],
    )
    .option("--epsilon <e>", "radius for every --attack without its own", (text) =>
      parseNumber(text, "--epsilon"),
    )
    .option("--clean", "no attacks")
    .option("--seed <n>", "of the random starts (default: 0)", (text) => parseSeed(text, "--seed"))
    .option("--device <name>", "where to compute: cpu, cuda or cuda:N", (text) => checkDevice(text), "cpu")
    .option("--threads <n>", "threads to compute with (default: all cores)", integer("--threads", 1))
    .addOption(
      new Option("--preset <name>", "energies of arithmetic at 45 nm").choices(presetNames).default("fp32"),
    )
    .addOption(
      new Option("--borders <which>", "operations with the padding's zeros, or those that take place")
        .choices(["padded", "exact"])
        .default("padded"),
    )
    .option("--ann-zeros <share>", "of the ANN's activations, if it is known: 60% or 0.6", (text) =>
      parseShare(text, "--ann-zeros"),
    )
    .option("--definitions", "print what each convention counts, and its source")
    .option("--json", "print JSON")
    .addHelpText("after", examples)
    .action(async (checkpoint: string | undefined, options: EnergyArguments) => {
      const report =
        options.rates !== undefined
          ? synthetic(checkpoint, options, options.rates)
          : checkpoint !== undefined && isFolder(checkpoint)
            ? await recorded(checkpoint, options)
            : await interruptible((signal) => measured(checkpoint, options, signal));
      process.stdout.write(
        options.json
          ? `${JSON.stringify({ schemaVersion: 1, ...report }, undefined, 2)}\n`
          : describeEnergyReport(report, {
              colored: colorsOnStdout(),
              definitions: options.definitions ?? false,
            }),
      );
    });
}

/** The activity that is counted on a data set. */
async function measured(
  checkpoint: string | undefined,
  options: EnergyArguments,
  signal: AbortSignal,
): Promise<EnergyReport> {
  const { dataset: name } = options;
  if (checkpoint === undefined || name === undefined) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      "Expected a checkpoint and --dataset, or --rates for a network without data, as in: --network VGG11 --rates 5%",
    );
  }
  checkSpiking(checkpoint);
  const attacks = attacksOf(options);
  if (options.threads !== undefined) setThreads(options.threads);
  const { network, timesteps, device, samples, batchSize, seed = 0 } = options;
  const dataset = await openNamedDataset({ ...options, dataset: name });
  try {
    const { mean, std } = dataset;
    using target = await loadClassifier(checkpoint, { network, timesteps, device, mean, std, signal });
    if (target instanceof AnnClassifier || target.randomised)
      throw withoutEnergies(target.name, target.identity);
    const line = new ProgressLine(process.stderr, { signal });
    const onProgress = line.update.bind(line);
    const { identity, results, warnings } = await evaluate({
      ...{ target, dataset, attacks, samples, batchSize, seed, signal, onProgress },
      allowZeroGradient: true,
    }).finally(() => {
      line.finish();
    });
    return countedReport(`${target.name}: ${target.network.name}`, { identity, results, warnings }, options);
  } finally {
    await dataset.close();
  }
}

/** The activity that a run has counted. */
async function recorded(folder: string, options: EnergyArguments): Promise<EnergyReport> {
  const { dataset, samples, attack, epsilon, clean, seed, network: given, timesteps } = options;
  if ([dataset, samples, attack, epsilon, clean, seed, given, timesteps].some((one) => one !== undefined)) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected nothing that says what to run beside ${folder}, which holds what was counted: only --preset, --borders, --ann-zeros, ` +
        "--definitions and --json",
    );
  }
  const { config, results, warnings, complete } = await readRun(folder);
  const { identity, execution } = config;
  const network = identity.target["network"];
  const name = `${execution.target.name}${typeof network === "string" ? `: ${network}` : ""}`;
  return countedReport(complete ? name : `${name} (not finished)`, { identity, results, warnings }, options);
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function withoutEnergies(name: string, target: Readonly<Record<string, unknown>>): HireSnnError {
  return new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected a spiking network whose spikes are counted but found ${name}: ${whyWithoutEnergies(target) ?? "they were not counted"}`,
  );
}

/** @throws HireSnnError INVALID_ARGUMENT if the target has no activity that energies follow from */
function countedReport(
  name: string,
  counted: NonNullable<EnergyReport["measured"]>,
  options: EnergyOptions,
): EnergyReport {
  const { identity, results } = counted;
  const activities = results.flatMap((result) => activityOf(identity.target, result) ?? []);
  if (activities.length < results.length) throw withoutEnergies(name, identity.target);
  return {
    ...reportOf(
      `${name}, ${results[0]?.n ?? 0} images of ${identity.dataset.name}`,
      results.map(columnOf),
      activities,
      options,
    ),
    measured: counted,
  };
}

function attacksOf(options: EnergyArguments): ReturnType<typeof chooseAttacks> {
  if (!options.clean) return chooseAttacks(options);
  if (options.attack === undefined && options.epsilon === undefined) return [];
  throw new HireSnnError("INVALID_ARGUMENT", "Expected no --attack and no --epsilon with --clean");
}

/** What given rates would take. */
function synthetic(
  checkpoint: string | undefined,
  options: EnergyArguments,
  rates: readonly number[],
): EnergyReport {
  if (options.dataset !== undefined || options.attack !== undefined || options.samples !== undefined) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      "Expected --rates without --dataset, --samples and --attack: rates stand for what would be counted",
    );
  }
  const { network, timesteps, from } =
    checkpoint === undefined ? named(options) : resolved(checkpoint, options);
  const model = spikingModel(network, timesteps);
  return reportOf(
    `${network.name}, ${network.classes} classes, ${timesteps} time steps (${from}), all neurons at the same rate`,
    rates.map((rate) => `${Number((100 * rate).toPrecision(12))} %`),
    rates.map((rate) => syntheticActivity(model, rate)),
    options,
  );
}

interface TimedNetwork extends Timesteps {
  readonly network: Network;
}

function named({ network, classes, timesteps }: EnergyArguments): TimedNetwork {
  if (network === undefined) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      "Expected a checkpoint or --network for --rates but received neither",
    );
  }
  return { network: namedNetwork(network, { classes }), ...resolveTimesteps(timesteps, "") };
}

function resolved(path: string, options: EnergyArguments): TimedNetwork {
  checkSpiking(path);
  const checkpoint = openCheckpoint(path);
  try {
    const { network, networkFile } = resolveNetwork(checkpoint, { network: options.network });
    return { network, ...resolveTimesteps(options.timesteps, path, networkFile) };
  } finally {
    checkpoint.close();
  }
}

function checkSpiking(path: string): void {
  if (!isTorchScript(path)) return;
  throw new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected a checkpoint of a spiking network but ${path} is a TorchScript program, whose spikes cannot be counted`,
  );
}

function reportOf(
  title: string,
  columns: readonly string[],
  activities: readonly Activity[],
  { preset, borders, annZeros }: EnergyOptions,
): EnergyReport {
  return {
    ...{ title, columns, layers: activities.map(layerTable) },
    energy: compareEnergies(activities, { preset, borders, annZeros }),
  };
}

function parseRates(text: string): number[] {
  return text.split(",").map((part) => parseShare(part.trim(), "--rates"));
}

/** "5%" or "0.05". */
function parseShare(text: string, name: string): number {
  const percent = text.endsWith("%");
  const value = parseNumber(percent ? text.slice(0, -1) : text, name) / (percent ? 100 : 1);
  if (value >= 0 && value <= 1) return value;
  throw new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected a share from 0 to 1, or 0 to 100 %, for ${name} but received "${text}"`,
  );
}
