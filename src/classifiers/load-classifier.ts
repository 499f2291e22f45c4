import { basename } from "node:path";
import type { Checkpoint } from "../checkpoint/checkpoint";
import { sha256OfFile } from "../checkpoint/file-hash";
import { openCheckpoint } from "../checkpoint/open-checkpoint";
import { HireSnnError } from "../errors";
import { parametersOf, type ParameterReader } from "../networks/network-parameters";
import { resolveNetwork, type ResolvedNetwork } from "../networks/resolve-network";
import { resolveTimesteps } from "../networks/timesteps";
import type { Seed } from "../tensor/philox";
import { isAnn } from "../networks/network";
import { AnnClassifier } from "./ann-classifier";
import { SpikingClassifier, type Coding, type KernelOptions } from "./spiking-classifier";
import type { Device } from "./classifier";
import type { SurrogateOptions } from "../networks/surrogate";

/** What {@link loadClassifier} cannot read in the checkpoint, or shall do in another way. */
export interface LoadOptions {
  /** What reports call it. @default the file's name */
  readonly name?: string | undefined;
  /**
   * Time steps of a forward pass. Unless given: what the network file says, else `tstepN` in the file's name, else 8.
   */
  readonly timesteps?: number | undefined;
  /**
   * A name of the catalogue ("VGG11"), or layers ("8,A,16,16,A/64,10"). Unless given: what the file beside the checkpoint
   * says (for `x.pt` it is `x.network.json`), else the one network whose tensors the checkpoint holds.
   */
  readonly network?: string | undefined;
  /**
   * Per channel, in pixel units; the network sees (pixel - mean) / std. Unless given: those of the network file for the
   * coding that it says, else 0 and 1, or of rate coding 0.5 and 0.5. A network file that says rate coding comes before them, so that a data set's own can be given for any
   * network; only those given with the coding "rate" replace it.
   * They are the training set's, so a data set's own are right for a network trained on it.
   */
  readonly mean?: readonly number[] | undefined;
  readonly std?: readonly number[] | undefined;
  /** @default "float32", as the original computes */
  readonly dtype?: "float32" | "float64" | undefined;
  /** Derivative of the firing step in the gradient. @default what the network file says, else the original's: piecewise-linear, a = 0.3 */
  readonly surrogate?: SurrogateOptions | undefined;
  /** How images are shown to the network. @default what the network file says, else "direct" */
  readonly coding?: Coding | undefined;
  /** Of rate coding's random numbers, 64 bits. @default 0 */
  readonly codingSeed?: Seed | undefined;
  /** Leaks in the place of the checkpoint's: one for all spiking layers, or one for each in their order. @default the checkpoint's */
  readonly leaks?: number | readonly number[] | undefined;
  /** Where it is computed. @default "cpu" */
  readonly device?: Device | undefined;
  /** On a GPU: products of 11 bits instead of float32's. @default false */
  readonly tf32?: boolean | undefined;
  /** How it is computed on the CPU. @default the fastest way */
  readonly kernels?: KernelOptions | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Loads a network from a checkpoint of the original or its family, in the legacy or the zip form. Nothing in the file is executed.
 *
 * @returns a spiking network, or of a checkpoint without thresholds and leaks, its ANN twin
 * @throws HireSnnError CHECKPOINT_* for a file that cannot be read, NETWORK_UNKNOWN or NETWORK_INVALID if its tensors are not
 *   exactly those of one network, ADDON_UNAVAILABLE without the addon
 * @example
 * const dataset = await openDataset("cifar100");
 * using classifier = await loadClassifier("vgg11_cifar100_hiresnn_tstep8_model.pt", dataset);
 */
export async function loadClassifier(
  path: string,
  options: LoadOptions = {},
): Promise<SpikingClassifier | AnnClassifier> {
  const { signal } = options;
  signal?.throwIfAborted();
  const checkpoint = openCheckpoint(path);
  try {
    const resolved = resolveNetwork(checkpoint, { network: options.network });
    const { mean, std } = normalisation(checkpoint, resolved, options);
    const coding = options.coding ?? resolved.networkFile?.coding;
    const sha256 = await sha256OfFile(path, { signal });
    signal?.throwIfAborted();
    const { network, networkFile } = resolved;
    const origin = {
      path,
      sha256,
      networkFrom: resolved.from,
      networkAliases: resolved.aliases,
      warnings: checkpoint.warnings,
    };
    const common = { mean, std, dtype: options.dtype, name: options.name ?? basename(path) };
    if (isAnn(network)) {
      refuseSpikingOptions(path, { ...options, coding });
      return await AnnClassifier.create(network, parametersOf(checkpoint), { ...common, origin });
    }
    const { timesteps, from: timestepsFrom } = resolveTimesteps(options.timesteps, path, networkFile);
    const parameters = withLeaks(resolved, parametersOf(checkpoint), options.leaks);
    return await SpikingClassifier.create(network, parameters, {
      ...common,
      timesteps,
      coding,
      codingSeed: options.codingSeed,
      surrogate: options.surrogate ?? networkFile?.surrogate,
      kernels: options.kernels,
      device: options.device,
      tf32: options.tf32,
      origin: { ...origin, timestepsFrom },
    });
  } finally {
    checkpoint.close();
  }
}

/** An option without effect would look as if it had one. Time steps may be those of a spiking network in the same run. */
function refuseSpikingOptions(
  path: string,
  { surrogate, leaks, kernels, coding, device = "cpu" }: LoadOptions,
): void {
  const plain = kernels === undefined || Object.entries(kernels).every(([, value]) => value === "plain");
  const refused = [
    surrogate && "surrogate gradient",
    leaks !== undefined && "leaks",
    coding === "rate" && "rate coding",
    !plain && "kernels but the plain engine",
    device !== "cpu" && `device ${device}`,
  ].find(Boolean);
  if (refused === undefined) return;
  throw new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected no ${refused} for ${path}, an ANN: its one pass is of the image itself, has a derivative, and is computed on the CPU by the plain engine`,
  );
}

/** Of the family's rate-coded networks: pixels become numbers from -1 to 1, which a rate can stand for. */
export const rateCodedStatistics = { mean: 0.5, std: 0.5 } as const;

/** The parameters of a checkpoint, but for the leaks. */
function withLeaks(
  { network }: ResolvedNetwork,
  parameters: ParameterReader,
  leaks: LoadOptions["leaks"],
): ParameterReader {
  if (leaks === undefined) return parameters;
  const keys = network.layers.flatMap((layer) =>
    layer.kind === "conv" || layer.kind === "linear" ? [layer.keys.leak] : [],
  );
  const values = typeof leaks === "number" ? keys.map(() => leaks) : leaks;
  if (values.length !== keys.length || !values.every(Number.isFinite)) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected one finite leak, or one for each of the ${keys.length} spiking layers, but received ${String(leaks)}`,
    );
  }
  const replaced = new Map(keys.map((key, i) => [key, values[i] as number]));
  return {
    disposable: true,
    read(key) {
      const value = replaced.get(key);
      return value === undefined ? parameters.read(key) : { data: Float32Array.of(value), shape: [] };
    },
  };
}

function normalisation(
  checkpoint: Checkpoint,
  { network, networkFile }: ResolvedNetwork,
  options: LoadOptions,
): { mean: readonly number[]; std: readonly number[] } {
  if ((options.mean === undefined) !== (options.std === undefined)) {
    throw new HireSnnError("INVALID_ARGUMENT", "Expected mean and std together but received one of them");
  }
  const [channels] = network.inputShape;
  const madeForRates = networkFile?.coding === "rate";
  const usual = options.coding === "rate" || madeForRates ? rateCodedStatistics : { mean: 0, std: 1 };
  const given = madeForRates && options.coding !== "rate" ? undefined : options;
  // What a file says of direct coding, a data set's own mostly, is not rate coding's.
  const ofFile = options.coding === "rate" && !madeForRates ? undefined : networkFile;
  const mean = given?.mean ?? ofFile?.mean ?? new Array<number>(channels).fill(usual.mean);
  const std = given?.std ?? ofFile?.std ?? new Array<number>(channels).fill(usual.std);
  if (mean.length !== channels || std.length !== channels) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected a mean and a std for each of the ${channels} channels that ${checkpoint.path} takes but received ` +
        `${mean.length} and ${std.length}`,
    );
  }
  return { mean, std };
}
