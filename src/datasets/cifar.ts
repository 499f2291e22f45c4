import { stat } from "node:fs/promises";
import { join } from "node:path";
import { HireSnnError } from "../errors";
import { ByteImageDataset, type ByteImageSource } from "./byte-image-dataset";
import { cifar100Classes, cifar10Classes } from "./cifar-classes";
import { CifarPickles, type PickleFile } from "./cifar-pickle";
import type { Dataset, Split } from "./dataset";
import { RecordFiles } from "./record-files";

export type CifarName = "cifar10" | "cifar100";

interface CifarFacts {
  readonly classes: readonly string[];
  /** Statistics of the HIRE-SNN scripts. A classifier rounds them to its dtype. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Bytes before a record's pixels in the binary form; the last is the (fine) label. */
  readonly labelBytes: number;
  /** The labels' key in the python form. */
  readonly labelKey: string;
  readonly folders: { readonly binary: string; readonly python: string };
  readonly splits: Readonly<Record<Split, readonly CifarPart[]>>;
}

/** One file in both forms. */
interface CifarPart {
  readonly binary: string;
  readonly python: string;
  readonly images: number;
  /** Size of the published python file. */
  readonly pythonBytes: number;
}

const imageShape = [3, 32, 32] as const;
const pixelBytes = 3 * 32 * 32;

const cifars: Readonly<Record<CifarName, CifarFacts>> = {
  cifar10: {
    classes: cifar10Classes,
    mean: [0.4914, 0.4822, 0.4465],
    std: [0.2023, 0.1994, 0.201],
    labelBytes: 1,
    labelKey: "labels",
    folders: { binary: "cifar-10-batches-bin", python: "cifar-10-batches-py" },
    splits: {
      test: [{ binary: "test_batch.bin", python: "test_batch", images: 10_000, pythonBytes: 31_035_526 }],
      train: [31_035_704, 31_035_320, 31_035_999, 31_035_696, 31_035_623].map((pythonBytes, i) => ({
        binary: `data_batch_${i + 1}.bin`,
        python: `data_batch_${i + 1}`,
        images: 10_000,
        pythonBytes,
      })),
    },
  },
  cifar100: {
    classes: cifar100Classes,
    mean: [0.5071, 0.4867, 0.4408],
    std: [0.2675, 0.2565, 0.2761],
    labelBytes: 2,
    labelKey: "fine_labels",
    folders: { binary: "cifar-100-binary", python: "cifar-100-python" },
    splits: {
      test: [{ binary: "test.bin", python: "test", images: 10_000, pythonBytes: 31_049_707 }],
      train: [{ binary: "train.bin", python: "train", images: 50_000, pythonBytes: 155_249_918 }],
    },
  },
};

/**
 * CIFAR-10 or CIFAR-100 (Krizhevsky, "Learning multiple layers of features from tiny images", 2009) from the binary form or from
 * torchvision's python pickles. Both give identical batches; where a folder has both, the binary form is taken, which need not be
 * read whole.
 *
 * @param data the folder of either form, or the folder that holds it
 * @throws HireSnnError DATASET_INVALID if neither form is there, or a file of it is missing, short or corrupt
 */
export async function openCifar(name: CifarName, data: string, split: Split): Promise<Dataset> {
  const facts = cifars[name];
  const { classes, mean, std } = facts;
  const source = await openForm(name, facts, data, split);
  return new ByteImageDataset({ name, split, classes, imageShape, mean, std }, source);
}

async function openForm(
  name: CifarName,
  facts: CifarFacts,
  data: string,
  split: Split,
): Promise<ByteImageSource> {
  const { labelBytes, labelKey, folders } = facts;
  const parts = facts.splits[split];
  for (const form of ["binary", "python"] as const) {
    const folder = await folderOf(data, folders[form], parts[0]?.[form] ?? "");
    if (folder === undefined) continue;
    if (form === "binary") {
      const files = parts.map((part) => ({ path: join(folder, part.binary), records: part.images }));
      return RecordFiles.open({ labelBytes, pixelBytes }, files);
    }
    const files = parts.map((part): PickleFile => ({
      path: join(folder, part.python),
      images: part.images,
      publishedBytes: part.pythonBytes,
    }));
    return CifarPickles.open(labelKey, pixelBytes, files);
  }
  const bytes = parts.reduce((sum, part) => sum + part.images * (labelBytes + pixelBytes), 0);
  throw new HireSnnError(
    "DATASET_INVALID",
    `Expected ${folders.binary} (${parts.map((part) => part.binary).join(", ")}: ${bytes} bytes) or ${folders.python} ` +
      `(${parts.map((part) => part.python).join(", ")}) for ${name} in ${data} but found neither; unpack the data set there, or ` +
      "name its folder with --data or HIRE_SNN_DATA",
  );
}

/**
 * The folder of a form: `data/name` wherever that exists, even without its files, so that a missing file is named; else `data`
 * itself if the first file is in it.
 */
async function folderOf(data: string, name: string, firstFile: string): Promise<string | undefined> {
  const inside = join(data, name);
  if ((await statusOf(inside))?.isDirectory()) return inside;
  return (await statusOf(join(data, firstFile)))?.isFile() ? data : undefined;
}

async function statusOf(path: string): Promise<Awaited<ReturnType<typeof stat>> | undefined> {
  try {
    return await stat(path);
  } catch {
    return undefined;
  }
}
