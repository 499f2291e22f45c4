import { closeSync, existsSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import { basename } from "node:path";
import { sha256OfFile } from "../checkpoint/file-hash";
import { openCheckpoint } from "../checkpoint/open-checkpoint";
import { HireSnnError } from "../errors";
import { addon } from "../native/addon";
import { parametersOf } from "../networks/network-parameters";
import { isAnn, type Layer, type Network } from "../networks/network";
import { resolveNetwork } from "../networks/resolve-network";
import { resolveTimesteps } from "../networks/timesteps";
import { packageVersion } from "../version";
import { nativeLayers } from "./native-layers";
import { resolveSurrogate, type SurrogateOptions } from "../networks/surrogate";
import { METADATA_FILE, type TorchScriptMetadata } from "./torchscript-metadata";

/** How {@link exportTorchScript} reads the checkpoint, and what it puts into the program. */
export interface ExportOptions {
  /** @default as {@link LoadOptions.timesteps} */
  readonly timesteps?: number | undefined;
  /** @default as {@link LoadOptions.network} */
  readonly network?: string | undefined;
  /** Derivative of the firing step that is built in. @default the original's: piecewise-linear, a = 0.3 */
  readonly surrogate?: SurrogateOptions | undefined;
  /** Per channel, in pixel units. @default the network file's; else it is not said, and whoever runs the program has to know */
  readonly mean?: readonly number[] | undefined;
  readonly std?: readonly number[] | undefined;
  /** What the network was trained on, for the metadata. @default the network file's */
  readonly dataset?: string | undefined;
  /** Whether the program itself subtracts the mean and divides by the deviation; it then takes pixels in [0, 1]. @default false */
  readonly withNormalisation?: boolean | undefined;
  /** Whether the program also returns its spike counts, int32 [N, layers, time steps]. @default false */
  readonly withSpikes?: boolean | undefined;
  /** Whether a file at the path is replaced. @default false */
  readonly overwrite?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What {@link exportTorchScript} wrote. */
export interface ExportedScript {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly metadata: TorchScriptMetadata;
  /** Oddities of the checkpoint, as sentences. */
  readonly warnings: readonly string[];
}

/**
 * Writes a spiking network's checkpoint as a TorchScript program, for any libtorch or PyTorch: the loop over time, the neurons with
 * their soft reset, and the surrogate gradient, out of operators that plain PyTorch has. `state_dict()` of the loaded program is the
 * checkpoint's; how it is used stands in the archive's extra file `hire-snn.json`.
 *
 * @throws HireSnnError as {@link loadClassifier}; INVALID_ARGUMENT if a mean is needed and not known, or if the file exists; IO
 */
export async function exportTorchScript(
  checkpointPath: string,
  path: string,
  options: ExportOptions = {},
): Promise<ExportedScript> {
  const { withNormalisation = false, withSpikes = false, signal } = options;
  signal?.throwIfAborted();
  if (options.overwrite !== true && existsSync(path)) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected a new file but found ${path}; --force (overwrite) replaces it`,
    );
  }
  if (options.surrogate) resolveSurrogate(options.surrogate);
  const checkpoint = openCheckpoint(checkpointPath);
  try {
    const { network, networkFile } = resolveNetwork(checkpoint, { network: options.network });
    const ann = isAnn(network);
    const surrogate = resolveSurrogate(options.surrogate ?? networkFile?.surrogate);
    if (networkFile?.coding === "rate") {
      throw new HireSnnError(
        "INVALID_ARGUMENT",
        `Expected a network under direct coding but found ${checkpointPath}, which ${networkFile.path} says was made for rate coding: the ` +
          "program would show it the images as they are",
      );
    }
    const resolved = ann ? undefined : resolveTimesteps(options.timesteps, checkpointPath, networkFile);
    const timesteps = resolved?.timesteps ?? 1;
    const statistics = statisticsOf(checkpointPath, network, options, networkFile);
    const metadata: TorchScriptMetadata = {
      schemaVersion: 1,
      inputShape: network.inputShape,
      classes: network.classes,
      ...statistics,
      normalisation: withNormalisation ? "inside" : "outside",
      ...present({ dataset: options.dataset ?? networkFile?.dataset }),
      ...(withSpikes && { output: "0", countedLayers: network.layers.slice(0, -1).map(({ name }) => name) }),
      network: network.name,
      ...(resolved
        ? { timesteps, timestepsFrom: resolved.from, surrogate: { ...surrogate } }
        : { neurons: "relu" }),
      source: { file: basename(checkpointPath), sha256: await sha256OfFile(checkpointPath, { signal }) },
      writer: `hire-snn ${packageVersion()}`,
    };
    signal?.throwIfAborted();
    const { layers } = nativeLayers(network, parametersOf(checkpoint));
    const [channels] = network.inputShape;
    const program = {
      ...(ann && { neurons: "relu" as const }),
      ...{ layers, timesteps, surrogate, dtype: "float32" as const, withNormalisation, withSpikes },
      mean: statistics?.mean ?? new Array<number>(channels).fill(0),
      std: statistics?.std ?? new Array<number>(channels).fill(1),
      keys: network.layers.map((layer) => keysOf(layer, ann)),
      metadataName: METADATA_FILE,
      metadata: JSON.stringify(metadata, undefined, 2),
    };
    await writeInPlace(path, async (partial) => addon().exportTorchScript(program, partial));
    return { path, size: statSync(path).size, metadata, warnings: checkpoint.warnings };
  } finally {
    checkpoint.close();
  }
}

/** The mean and deviation, if anything says them. */
function statisticsOf(
  path: string,
  network: Network,
  options: ExportOptions,
  networkFile: Pick<ExportOptions, "mean" | "std"> | undefined,
): { mean: readonly number[]; std: readonly number[] } | undefined {
  if ((options.mean === undefined) !== (options.std === undefined)) {
    throw new HireSnnError("INVALID_ARGUMENT", "Expected mean and std together but received one of them");
  }
  const mean = options.mean ?? networkFile?.mean;
  const std = options.std ?? networkFile?.std;
  if (!mean || !std) {
    if (!options.withNormalisation) return undefined;
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected the mean and std (--mean and --std, or --dataset) that ${path} was trained with, to build its normalisation in`,
    );
  }
  const [channels] = network.inputShape;
  if (mean.length !== channels || std.length !== channels || !std.every((value) => value > 0)) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected a mean and a std above 0 for each of the ${channels} channels that ${path} takes but received ` +
        `[${mean.join(", ")}] and [${std.join(", ")}]`,
    );
  }
  return { mean, std };
}

function keysOf(
  layer: Layer,
  ann: boolean,
): { weight?: string; threshold?: string; leak?: string; shortcut?: string } {
  if (layer.kind === "average-pool") return {};
  const shortcut = layer.kind === "conv" ? layer.shortcut?.keys?.weight : undefined;
  const { weight } = layer.keys;
  return { ...(ann ? { weight } : layer.keys), ...present({ shortcut }) };
}

function present<K extends string>(values: Record<K, string | undefined>): { [key in K]?: string } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [key in K]?: string;
  };
}

/** Has a file written beside its place and put there when it is complete, so that nobody finds half of it. */
async function writeInPlace(path: string, write: (partial: string) => Promise<void>): Promise<void> {
  const partial = `${path}.partial-${process.pid}`;
  try {
    // Made here first: what is wrong with the folder then has Node's words.
    closeSync(openSync(partial, "wx"));
  } catch (error) {
    throw new HireSnnError("IO", `Cannot write ${path}: ${(error as Error).message}.`, { cause: error });
  }
  try {
    await write(partial);
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}
