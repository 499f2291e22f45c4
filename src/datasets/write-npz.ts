import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ZipFile } from "yazl";
import { HireSnnError } from "../errors";
import type { Batch } from "./dataset";
import { encodeTexts, formatNpyHeader } from "./npy";

/** What an `.npz` archive says of its images. A {@link Dataset} is one. */
export interface NpzDescription {
  /** How many images there will be. */
  readonly length: number;
  /** [C, H, W] */
  readonly imageShape: readonly [number, number, number];
  readonly classes: readonly string[];
  /** Per channel, in pixel units. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Index of the first image in the data set that the images stand for: the archive then says all of them. */
  readonly firstIndex?: number | undefined;
}

/** Members carry no time, so that one content is one file. */
const options = { mtime: new Date(1980, 0, 1), forceDosTimestamp: true, compress: false };

/**
 * Writes images and labels as an `.npz` archive, which {@link openDataset} and NumPy read: `images` float32 [N, C, H, W] in [0, 1],
 * `labels` int64 [N], `classes`, `mean`, `std`, and with `firstIndex` also `indices` int64 [N]. Uncompressed, so that it can be read in part. The images are written batch by batch;
 * the file is there when it is complete, or not at all.
 *
 * @param description a data set will do
 * @param batches in order; together `description.length` images
 * @throws HireSnnError INVALID_ARGUMENT for pixels outside of [0, 1], a label that no class has, or another number of images; IO if
 *   the file cannot be written
 * @example
 * await writeNpz("adversarial.npz", { ...dataset, length: 100 }, adversarialBatches());
 */
export async function writeNpz(
  path: string,
  description: NpzDescription,
  batches: AsyncIterable<Pick<Batch, "images" | "labels">> | Iterable<Pick<Batch, "images" | "labels">>,
): Promise<void> {
  const { length, imageShape, classes, mean, std, firstIndex } = description;
  const partial = `${path}.${process.pid}.partial`;
  const labels: number[] = [];
  const zip = new ZipFile();
  const failed = new Promise<never>((_, reject) => zip.once("error", reject));
  const names = encodeTexts(classes);
  const images = Readable.from(imageFile(description, batches, labels));
  // yazl reports no failure of a stream that it is given.
  images.once("error", (error) => zip.emit("error", error));
  try {
    zip.addReadStream(images, "images.npy", options);
    // Asked for when the images are written, and with them the labels are known.
    zip.addReadStreamLazy("labels.npy", options, (give) => {
      give(undefined, Readable.from([npy("<i8", [length], BigInt64Array.from(labels, BigInt))]));
    });
    if (firstIndex !== undefined) {
      const indices = BigInt64Array.from({ length }, (_, i) => BigInt(firstIndex + i));
      zip.addBuffer(npy("<i8", [length], indices), "indices.npy", options);
    }
    zip.addBuffer(npy(names.dtype, [classes.length], names.bytes), "classes.npy", options);
    zip.addBuffer(npy("<f8", [imageShape[0]], Float64Array.from(mean)), "mean.npy", options);
    zip.addBuffer(npy("<f8", [imageShape[0]], Float64Array.from(std)), "std.npy", options);
    zip.end();
    await Promise.race([pipeline(zip.outputStream, createWriteStream(partial)), failed]);
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    if (error instanceof HireSnnError || (error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw new HireSnnError("IO", `Cannot write ${path}: ${(error as Error).message}`, { cause: error });
  }
}

async function* imageFile(
  { length, imageShape, classes }: NpzDescription,
  batches: AsyncIterable<Pick<Batch, "images" | "labels">> | Iterable<Pick<Batch, "images" | "labels">>,
  labels: number[],
): AsyncGenerator<Buffer> {
  const pixels = imageShape.reduce((product, size) => product * size, 1);
  yield formatNpyHeader("<f4", [length, ...imageShape]);
  for await (const batch of batches) {
    if (batch.images.length !== batch.labels.length * pixels) {
      throw invalid(
        `${batch.labels.length * pixels} pixels for ${batch.labels.length} labels`,
        String(batch.images.length),
      );
    }
    const outside = batch.images.findIndex((value) => !(value >= 0 && value <= 1));
    if (outside >= 0) {
      throw invalid(
        `pixels in [0, 1] in image ${labels.length + Math.floor(outside / pixels)}`,
        String(batch.images[outside]),
      );
    }
    const impossible = batch.labels.find((label) => label < 0 || label >= classes.length);
    if (impossible !== undefined) throw invalid(`labels from 0 to ${classes.length - 1}`, String(impossible));
    for (const label of batch.labels) labels.push(label);
    if (labels.length > length) throw invalid(`${length} images`, "more");
    // A copy: the caller may use its array for the next batch.
    yield Buffer.from(Float32Array.from(batch.images).buffer);
  }
  if (labels.length !== length) throw invalid(`${length} images`, String(labels.length));
}

function npy(dtype: string, shape: readonly number[], data: ArrayBufferView): Buffer {
  return Buffer.concat([
    formatNpyHeader(dtype, shape),
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  ]);
}

function invalid(expected: string, found: string): HireSnnError {
  return new HireSnnError("INVALID_ARGUMENT", `Expected ${expected} to be written but received ${found}`);
}
