import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { HireSnnError } from "../errors";
import { ByteImageDataset } from "./byte-image-dataset";
import type { Dataset, Split } from "./dataset";
import { readIdx } from "./idx";
import { MemoryImages } from "./memory-images";
import { publishedStatistics } from "./published/statistics";

const classes = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
const side = 28;

/** The published names; each may also end in ".gz". */
const files: Readonly<Record<Split, { readonly images: string; readonly labels: string }>> = {
  test: { images: "t10k-images-idx3-ubyte", labels: "t10k-labels-idx1-ubyte" },
  train: { images: "train-images-idx3-ubyte", labels: "train-labels-idx1-ubyte" },
};

/** Below the data folder: where `data fetch` and torchvision put it, a plain folder, the data folder itself. */
const folders = [join("MNIST", "raw"), "mnist", "."];

/**
 * MNIST (LeCun, Cortes, Burges) from its idx files, plain or `.gz`; both give identical batches. Its pixels (8 MB, the training part
 * 47 MB) are kept in memory. Mean and deviation are the training set's, as in PyTorch's examples.
 *
 * @param data the files' folder, or the one that holds `MNIST/raw` or `mnist`
 * @throws HireSnnError DATASET_INVALID if a file is missing, cut, or something else
 */
export async function openMnist(data: string, split: Split): Promise<Dataset> {
  const paths = await findFiles(data, files[split]);
  const hash = createHash("sha256");
  const images = await readIdx(paths.images, 3, hash);
  const labels = await readIdx(paths.labels, 1, hash);
  const [count, height, width] = images.shape;
  if (height !== side || width !== side) {
    throw invalid(`images of 28 x 28 in ${paths.images}`, `[${images.shape.join(", ")}]`);
  }
  if (labels.data.length !== count) {
    throw invalid(`${count} labels in ${paths.labels}`, String(labels.data.length));
  }
  const source = new MemoryImages([paths.images, paths.labels], hash.digest("hex"), [
    { labels: labels.data, pixels: images.data },
  ]);
  const imageShape = [1, side, side] as const;
  return new ByteImageDataset(
    { name: "mnist", split, classes, imageShape, ...publishedStatistics.mnist },
    source,
  );
}

async function findFiles(
  data: string,
  names: { images: string; labels: string },
): Promise<{ images: string; labels: string }> {
  for (const folder of folders) {
    const images = await findFile(join(data, folder, names.images));
    if (images === undefined) continue;
    const labels = await findFile(join(data, folder, names.labels));
    if (labels !== undefined) return { images, labels };
    throw invalid(`${names.labels} or ${names.labels}.gz beside ${images}`, "no such file");
  }
  throw invalid(
    `${names.images} and ${names.labels}, plain or .gz, in ${data} or its folder mnist or MNIST/raw`,
    "none of them",
  );
}

async function findFile(path: string): Promise<string | undefined> {
  for (const candidate of [path, `${path}.gz`]) {
    const status = await stat(candidate).catch(() => undefined);
    if (status?.isFile()) return candidate;
  }
  return undefined;
}

function invalid(expected: string, found: string): HireSnnError {
  return new HireSnnError(
    "DATASET_INVALID",
    `Expected ${expected} but found ${found}; fetch it with \`hire-snn data fetch mnist\`, or name its folder with --data or ` +
      "HIRE_SNN_DATA",
  );
}
