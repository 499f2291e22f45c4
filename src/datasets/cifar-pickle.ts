import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { ByteReader } from "../checkpoint/byte-reader";
import { sourceOfBytes } from "../checkpoint/byte-source";
import { NumpyArray, numpyGlobals } from "../checkpoint/numpy-globals";
import { PickleDict, type PickleValue } from "../checkpoint/pickle-values";
import { unpickle } from "../checkpoint/unpickler";
import { HireSnnError } from "../errors";
import type { ByteImages } from "./byte-image-dataset";
import { MemoryImages } from "./memory-images";

export interface PickleFile {
  readonly path: string;
  readonly images: number;
  /** Size of the published file, for messages: one that was pickled anew has another and is as good. */
  readonly publishedBytes: number;
}

/**
 * The python form of CIFAR: pickled dicts, written by Python 2, with `data` (a numpy array of bytes, [N, 3072]) and a list of
 * labels. They go through the restricted unpickler that checkpoints go through, so nothing in them runs. A pickle cannot be read in
 * part: its pixels stay in memory.
 *
 * @param labelKey "labels", or "fine_labels" in CIFAR-100
 * @param pixelBytes C x H x W
 * @throws HireSnnError DATASET_INVALID if a file is missing, cut, or holds something else
 */
export async function openCifarPickles(
  labelKey: string,
  pixelBytes: number,
  files: readonly PickleFile[],
): Promise<MemoryImages> {
  const hash = createHash("sha256");
  const parts: ByteImages[] = [];
  for (const file of files) {
    const bytes = await readWhole(file);
    hash.update(bytes);
    parts.push(parseCifarPickle(file, bytes, labelKey, pixelBytes));
  }
  const paths = files.map((file) => file.path);
  return new MemoryImages(paths, hash.digest("hex"), parts);
}

async function readWhole(file: PickleFile): Promise<Buffer> {
  try {
    return await readFile(file.path);
  } catch (error) {
    const found =
      (error as NodeJS.ErrnoException).code === "ENOENT" ? "no such file" : (error as Error).message;
    throw new HireSnnError(
      "DATASET_INVALID",
      `Expected ${file.path} (the published file has ${file.publishedBytes} bytes) but found ${found}; ` +
        "copy or unpack the data set again",
      { cause: error },
    );
  }
}

/**
 * The images of one pickled batch.
 *
 * @throws HireSnnError DATASET_INVALID if it holds something else, CHECKPOINT_UNSAFE if it would run code
 */
export function parseCifarPickle(
  file: PickleFile,
  bytes: Uint8Array,
  labelKey: string,
  pixelBytes: number,
): ByteImages {
  let value: PickleValue;
  try {
    const reader = new ByteReader(sourceOfBytes(file.path, bytes));
    value = unpickle(reader, { globals: numpyGlobals(file.path), byteStrings: "bytes" }).value;
  } catch (error) {
    if (!(error instanceof HireSnnError) || error.code === "CHECKPOINT_UNSAFE") throw error;
    throw invalid(
      file,
      bytes,
      `found ${bytes.length} bytes that are no such pickle (${error.message})`,
      error,
    );
  }
  const data = value instanceof PickleDict ? value.getNamed("data") : undefined;
  const labels = value instanceof PickleDict ? value.getNamed(labelKey) : undefined;
  if (
    !(data instanceof NumpyArray) ||
    !data.data ||
    data.dtype?.kind !== "u" ||
    data.dtype.size !== 1 ||
    data.fortran ||
    data.shape.join() !== `${file.images},${pixelBytes}`
  ) {
    const found = data instanceof NumpyArray ? `an array [${data.shape.join(", ")}]` : "no such array";
    throw invalid(file, bytes, `under "data", uint8 [${file.images}, ${pixelBytes}], found ${found}`);
  }
  if (!Array.isArray(labels) || labels.length !== file.images || !labels.every(isByte)) {
    const found = Array.isArray(labels) ? `a list of ${labels.length}` : "no such list";
    throw invalid(file, bytes, `under "${labelKey}", ${file.images} labels, found ${found}`);
  }
  return { labels: Uint8Array.from(labels), pixels: data.data };
}

function isByte(value: PickleValue): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 255;
}

function invalid(file: PickleFile, bytes: Uint8Array, found: string, cause?: Error): HireSnnError {
  return new HireSnnError(
    "DATASET_INVALID",
    `Expected a pickled CIFAR batch of ${file.images} images in ${file.path}: ${found}. The file has ${bytes.length} bytes, the ` +
      `published one ${file.publishedBytes}; copy or unpack the data set again`,
    cause ? { cause } : {},
  );
}
