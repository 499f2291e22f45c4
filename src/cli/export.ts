import { Option, type Command } from "commander";
import { exportTorchScript, type ExportedScript } from "../classifiers/export-torchscript";
import { surrogateShapes, type SurrogateScale, type SurrogateShape } from "../networks/surrogate";
import { HireSnnError } from "../errors";
import { publishedNames, type PublishedName } from "../datasets/published/catalogue";
import { publishedStatistics } from "../datasets/published/statistics";
import { interruptible } from "./interrupt";
import { parseInteger, parseNumber, parseNumbers } from "./numbers";
import { printable } from "./printable";

interface ExportArguments {
  readonly output: string;
  readonly timesteps?: number;
  readonly network?: string;
  readonly surrogate?: SurrogateShape;
  readonly gamma?: number;
  readonly surrogateScale?: SurrogateScale;
  readonly dataset?: PublishedName;
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  readonly withNormalisation?: boolean;
  readonly withSpikes?: boolean;
  readonly force?: boolean;
}

/** Adds `export CHECKPOINT -o FILE`. */
export function registerExport(program: Command): void {
  program
    .command("export")
    .summary("write a checkpoint's network as a TorchScript program")
    .description(
      "Writes a spiking network as a TorchScript program that any libtorch or PyTorch runs and can attack: with its loop over time, " +
        "its neurons and its surrogate gradient. See docs/torchscript.md.",
    )
    .argument("<checkpoint>", "checkpoint of the spiking network")
    .requiredOption("-o, --output <file>", "the archive to write")
    .option("--timesteps <n>", "time steps (default: as of evaluate)", (text) =>
      parseInteger(text, "--timesteps", 1),
    )
    .option("--network <spec>", 'layers, if they are not recognised: "8,A,16,16,A/64,10"')
    .addOption(
      new Option(
        "--surrogate <shape>",
        "surrogate gradient (default: the network file's, else piecewise-linear)",
      ).choices(surrogateShapes),
    )
    .option("--gamma <a>", "its parameter (default: its authors'; 0.3 for piecewise-linear)", (text) =>
      parseNumber(text, "--gamma"),
    )
    .addOption(
      new Option(
        "--surrogate-scale <scale>",
        "what it is a function of: membrane / threshold - 1, or membrane - threshold (default: threshold)",
      ).choices(["threshold", "absolute"]),
    )
    .addOption(
      new Option("--dataset <name>", "what it was trained on: says mean and std").choices(publishedNames),
    )
    .option("--mean <list>", "per channel, in pixel units: 0.4914,0.4822,0.4465", (text) =>
      parseNumbers(text, "--mean"),
    )
    .option("--std <list>", "per channel, in pixel units", (text) => parseNumbers(text, "--std"))
    .option("--with-normalisation", "have the program itself subtract the mean and divide by the deviation")
    .option("--with-spikes", "have it also return its spike counts, int32 [N, layers, time steps]")
    .option("--force", "replace a file that is there")
    .action(async (checkpoint: string, options: ExportArguments) => {
      const exported = await interruptible((signal) => run(checkpoint, options, signal));
      process.stdout.write(describe(exported));
      for (const warning of exported.warnings)
        process.stderr.write(`Warning: ${printable(warning, Infinity)}\n`);
    });
}

function run(checkpoint: string, options: ExportArguments, signal: AbortSignal): Promise<ExportedScript> {
  const { output, timesteps, network, dataset, withNormalisation, withSpikes, force } = options;
  const { surrogate: shape, gamma: a, surrogateScale: scale } = options;
  if (shape === undefined && (a !== undefined || scale !== undefined)) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      "Expected --surrogate with --gamma and --surrogate-scale, as in --surrogate piecewise-linear --gamma 0.3",
    );
  }
  const known = dataset && publishedStatistics[dataset];
  return exportTorchScript(checkpoint, output, {
    ...{ timesteps, network, dataset, withNormalisation, withSpikes, overwrite: force, signal },
    surrogate: shape && { shape, a, scale },
    mean: options.mean ?? (options.std === undefined ? known?.mean : undefined),
    std: options.std ?? (options.mean === undefined ? known?.std : undefined),
  });
}

function describe({ path, size, metadata }: ExportedScript): string {
  const { network, timesteps, timestepsFrom, normalisation, mean } = metadata;
  const surrogate = metadata["surrogate"] as { shape: string; a: number; scale: string } | undefined;
  const pixels =
    normalisation === "inside"
      ? "takes pixels in [0, 1]"
      : `takes normalised images${mean ? "" : ", but nothing says their mean and std (--dataset, --mean and --std)"}`;
  return (
    `${path}: TorchScript, ${size.toLocaleString("en")} bytes\n` +
    String(network) +
    (surrogate
      ? `, ${String(timesteps)} time steps (${String(timestepsFrom)}), ${surrogate.shape} surrogate with a = ${surrogate.a} on the ` +
        `${surrogate.scale}'s scale; `
      : ", an ANN; ") +
    `${pixels}\n`
  );
}
