import { basename } from "node:path";
import { sha256OfFile } from "../checkpoint/file-hash";
import { readTorchScriptArchive } from "../checkpoint/torchscript-archive";
import { HireSnnError } from "../errors";
import type { Device } from "./classifier";
import { TorchScriptClassifier, type ScriptSource, type ScriptUse } from "./torchscript-classifier";
import { parseMetadata, type TorchScriptMetadata } from "./torchscript-metadata";
import { TorchScriptModule } from "./torchscript-module";

/** What a data set says of its images. */
export interface ImageDescription {
  readonly imageShape: readonly [number, number, number];
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly classes: readonly string[];
}

/** What {@link loadTorchScript} is told of a program that does not say it itself. */
export interface TorchScriptOptions {
  /** [C, H, W] of one image. @default the metadata's, else the data set's */
  readonly inputShape?: readonly [number, number, number] | undefined;
  /** Per channel, in pixel units; the program sees (pixel - mean) / std. @default the metadata's, else the data set's */
  readonly mean?: readonly number[] | undefined;
  readonly std?: readonly number[] | undefined;
  /** As of {@link ScriptUse}. @default the metadata's, else found by shape */
  readonly output?: ScriptUse["output"];
  /** As of {@link ScriptUse}. @default the data set's */
  readonly classes?: ScriptUse["classes"];
  readonly microBatch?: ScriptUse["microBatch"];
  readonly allowZeroGradient?: ScriptUse["allowZeroGradient"];
  /** Says what neither the options nor the archive's metadata say. */
  readonly dataset?: ImageDescription | undefined;
  /** What all floating-point weights are converted to. @default as they are, but float32 for 16-bit ones */
  readonly dtype?: "float32" | "float64" | undefined;
  /** Where it runs. @default "cpu" */
  readonly device?: Device | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Loads any network from a TorchScript archive. **Its code runs:** load files of people whom you would let run a program.
 *
 * The shape of its images, mean and std come from the options, else from the archive's extra file `hire-snn.json`, else from the
 * data set; the classes are learnt by running it.
 *
 * @throws HireSnnError CHECKPOINT_* for a file that is no TorchScript archive; SCRIPT_INVALID if it is no classifier; SCRIPT_FAILED
 *   if it stops; INVALID_ARGUMENT if nothing says the shape of its images; DEVICE_UNAVAILABLE if there is no such GPU
 * @example
 * const dataset = await openDataset("cifar10");
 * using classifier = await loadTorchScript("resnet20.ts.pt", { dataset });
 */
export async function loadTorchScript(
  path: string,
  options: TorchScriptOptions = {},
): Promise<TorchScriptClassifier> {
  const { dtype, device, signal } = options;
  signal?.throwIfAborted();
  const { extraFiles, warnings } = readTorchScriptArchive(path);
  const use = resolveUse(path, parseMetadata(path, extraFiles), options);
  const sha256 = await sha256OfFile(path, { signal });
  using module = await TorchScriptModule.load(path, { dtype, device });
  return await TorchScriptClassifier.create(module, use, {
    name: basename(path),
    origin: {
      ...{ path, sha256, warnings: [...warnings, ...use.warnings] },
      inputShapeFrom: use.inputShapeFrom,
      normalisationFrom: use.normalisationFrom,
    },
    signal,
  });
}

type ResolvedUse = ScriptUse & {
  inputShapeFrom: ScriptSource;
  normalisationFrom: ScriptSource;
  warnings: readonly string[];
};

/** The mean and std of an archive's own metadata; undefined if it has none. Nothing of the archive is run. */
export function normalisationOf(
  path: string,
): { mean: readonly number[]; std: readonly number[] } | undefined {
  const { mean, std } = parseMetadata(path, readTorchScriptArchive(path).extraFiles);
  return mean && std && { mean, std };
}

function resolveUse(path: string, metadata: TorchScriptMetadata, options: TorchScriptOptions): ResolvedUse {
  const { dataset, microBatch, allowZeroGradient } = options;
  const [inputShape, inputShapeFrom] = first(
    [options.inputShape, "option"],
    [metadata.inputShape, "archive"],
    [dataset?.imageShape, "data set"],
  );
  if (inputShape === undefined) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected the shape of an image of ${path} (inputShape, --input-shape) since neither its metadata nor a data set says it`,
    );
  }
  const { mean, std, from } = resolveNormalisation(path, inputShape[0], metadata, options);
  const warnings =
    metadata.normalisation === "inside" && options.mean !== undefined
      ? ["Its metadata says that it normalises images itself: the mean and std given for it were left aside."]
      : [];
  return {
    warnings,
    ...{ inputShape, inputShapeFrom, mean, std, normalisationFrom: from, microBatch, allowZeroGradient },
    output: options.output ?? metadata.output,
    classes: options.classes ?? dataset?.classes.length,
  };
}

function resolveNormalisation(
  path: string,
  channels: number,
  metadata: TorchScriptMetadata,
  options: TorchScriptOptions,
): { mean: readonly number[]; std: readonly number[]; from: ScriptSource } {
  if ((options.mean === undefined) !== (options.std === undefined)) {
    throw new HireSnnError("INVALID_ARGUMENT", "Expected mean and std together but received one of them");
  }
  if (metadata.normalisation === "inside") {
    return {
      mean: new Array<number>(channels).fill(0),
      std: new Array<number>(channels).fill(1),
      from: "archive",
    };
  }
  const [found, from] = first<{ mean?: readonly number[] | undefined; std?: readonly number[] | undefined }>(
    [options.mean && options, "option"],
    [metadata.mean && metadata, "archive"],
    [options.dataset, "data set"],
  );
  const { mean, std } = found ?? {};
  if (mean === undefined || std === undefined) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected the mean and std of ${path} (--mean, --std) since neither its metadata nor a data set says them; none at all are ` +
        `${Array<number>(channels).fill(0).join(",")} and ${Array<number>(channels).fill(1).join(",")}`,
    );
  }
  if (mean.length !== channels || std.length !== channels) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected a mean and a std for each of the ${channels} channels that ${path} takes but received ` +
        `${mean.length} and ${std.length} (${from})`,
    );
  }
  return { mean, std, from };
}

/** The first value that is there, and where it is from. */
function first<T>(
  ...values: readonly (readonly [T | undefined, ScriptSource])[]
): [T | undefined, ScriptSource] {
  for (const [value, from] of values) if (value !== undefined) return [value, from];
  return [undefined, "option"];
}
