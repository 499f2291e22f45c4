import { stat } from "node:fs/promises";
import { join } from "node:path";
import { HireSnnError } from "../errors";
import { ByteImageDataset, type ByteImageSource } from "./byte-image-dataset";
import { cifar100Classes, cifar10Classes } from "./cifar-classes";
import { openCifarArchive } from "./cifar-archive";
import { openCifarPickles, type PickleFile } from "./cifar-pickle";
import type { Dataset, Split } from "./dataset";
import { RecordFiles } from "./record-files";
import { publishedStatistics } from "./published/statistics";

export type CifarName = "cifar10" | "cifar100";
type CifarForm = "binary" | "python";

interface CifarFacts {
  readonly classes: readonly string[];
  /** Statistics of the HIRE-SNN scripts. A classifier rounds them to its dtype. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Bytes before a record's pixels in the binary form; the last is the (fine) label. */
  readonly labelBytes: number;
  /** The labels' key in the python form. */
  readonly labelKey: string;
  readonly folders: Readonly<Record<CifarForm, string>>;
  readonly archives: Readonly<Record<CifarForm, string>>;
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
    ...publishedStatistics.cifar10,
    labelBytes: 1,
    labelKey: "labels",
    folders: { binary: "cifar-10-batches-bin", python: "cifar-10-batches-py" },
    archives: { binary: "cifar-10-binary.tar.gz", python: "cifar-10-python.tar.gz" },
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
    ...publishedStatistics.cifar100,
    labelBytes: 2,
    labelKey: "fine_labels",
    folders: { binary: "cifar-100-binary", python: "cifar-100-python" },
    archives: { binary: "cifar-100-binary.tar.gz", python: "cifar-100-python.tar.gz" },
    splits: {
      test: [{ binary: "test.bin", python: "test", images: 10_000, pythonBytes: 31_049_707 }],
      train: [{ binary: "train.bin", python: "train", images: 50_000, pythonBytes: 155_249_918 }],
    },
  },
};

/**
 * CIFAR-10 or CIFAR-100 (Krizhevsky, "Learning multiple layers of features from tiny images", 2009) from the binary form or from
 * torchvision's python pickles, unpacked or in the published `.tar.gz`. All give identical batches. Where several are, the first of
 * these is taken: the binary folder, which need not be read whole, the python folder, the binary archive, the python archive.
 *
 * @param data the folder of either form, the folder that holds it or an archive, or an archive itself
 * @throws HireSnnError DATASET_INVALID if no form is there, or a file of it is missing, short or corrupt
 */
export async function openCifar(name: CifarName, data: string, split: Split): Promise<Dataset> {
  const facts = cifars[name];
  const { classes, mean, std } = facts;
  const source = await openForm(name, facts, data, split);
  return new ByteImageDataset({ name, split, classes, imageShape, mean, std }, source);
}

const forms = ["binary", "python"] as const;

async function openForm(
  name: CifarName,
  facts: CifarFacts,
  data: string,
  split: Split,
): Promise<ByteImageSource> {
  const { labelBytes, labelKey, folders, archives } = facts;
  const parts = facts.splits[split];
  for (const form of forms) {
    const folder = await folderOf(data, folders[form], parts[0]?.[form] ?? "");
    if (folder === undefined) continue;
    if (form === "binary") {
      const files = parts.map((part) => ({ path: join(folder, part.binary), records: part.images }));
      return RecordFiles.open({ labelBytes, pixelBytes }, files);
    }
    return openCifarPickles(labelKey, pixelBytes, pickleFiles(parts, folder));
  }
  const archive = await findArchive(data, archives);
  if (archive !== undefined) {
    return openCifarArchive(archive, [
      {
        layout: { labelBytes, pixelBytes },
        members: parts.map(({ binary, images }) => ({
          name: `${folders.binary}/${binary}`,
          records: images,
        })),
      },
      { labelKey, pixelBytes, members: pickleFiles(parts, folders.python) },
    ]);
  }
  const bytes = parts.reduce((sum, part) => sum + part.images * (labelBytes + pixelBytes), 0);
  throw new HireSnnError(
    "DATASET_INVALID",
    `Expected ${folders.binary} (${parts.map((part) => part.binary).join(", ")}: ${bytes} bytes), ${folders.python} ` +
      `(${parts.map((part) => part.python).join(", ")}), ${archives.binary} or ${archives.python} for ${name} in ${data} but found ` +
      `none of them; fetch it with \`hire-snn data fetch ${name}\`, or name its folder or archive with --data or HIRE_SNN_DATA`,
  );
}

function pickleFiles(parts: readonly CifarPart[], folder: string): PickleFile[] {
  return parts.map((part) => ({
    path: join(folder, part.python),
    images: part.images,
    publishedBytes: part.pythonBytes,
  }));
}

/** `data` itself if it is a file, or the archive in the folder `data`. */
async function findArchive(data: string, archives: CifarFacts["archives"]): Promise<string | undefined> {
  for (const path of [data, ...forms.map((form) => join(data, archives[form]))]) {
    if ((await statusOf(path))?.isFile()) return path;
  }
  return undefined;
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
