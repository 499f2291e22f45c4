import { createHash } from "node:crypto";
import { HireSnnError } from "../errors";
import { pixelsOfBytes } from "./byte-image-dataset";
import type { Batch, Dataset, Split } from "./dataset";
import { numbersOf, textsOf, type NpyHeader } from "./npy";
import { NpzArchive, type ArchivedArray } from "./npz-archive";
import { checkLabels, checkRange } from "./read-checks";
import { requireStatistics, type StatisticsOptions } from "./statistics";

export interface NpzOptions extends StatisticsOptions {
  /** How many classes there are, or their names. @default what the file says under `classes` */
  readonly classes?: number | readonly string[] | undefined;
}

const imageTypes = ["|u1", "<f4", "<f8"];
const labelTypes = ["|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8"];

/** How the axes of an image array lie. */
interface Layout {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** Channels last, as in PIL and Keras: they are moved to the front. */
  readonly channelsLast: boolean;
}

/**
 * Images and labels from an `.npz` archive of NumPy, or of {@link writeNpz}:
 *
 * - `images`: uint8 (0 to 255), or float32 or float64 in [0, 1]; [N, C, H, W], [N, H, W, C] or [N, H, W], with 1 or 3 channels
 * - `labels`: integers [N]
 * - optionally `classes` (text [K]), `mean` and `std` (numbers [C]), which the options replace
 *
 * or `x_test`, `y_test`, `x_train`, `y_train` as in Keras's files. A float image outside of [0, 1] is refused when it is read.
 *
 * @throws HireSnnError DATASET_INVALID if the file is damaged or holds something else, INVALID_ARGUMENT if neither it nor the options
 *   say the classes, mean and deviation
 */
export async function openNpz(path: string, split: Split, options: NpzOptions = {}): Promise<Dataset> {
  const archive = await NpzArchive.open(path);
  try {
    const names = arrayNames(archive, split);
    const hash = createHash("sha256");
    const images = await archive.array(
      names.images,
      (header) => checkImages(path, names.images, header),
      hash,
    );
    const labels = await archive.array(
      names.labels,
      (header) => checkLabelArray(path, names.labels, header, images),
      hash,
    );
    const layout = layoutOf(path, images);
    const what = `the images of ${path}`;
    return new NpzDataset(
      archive,
      images,
      labels,
      layout,
      await classesOf(archive, options),
      requireStatistics(
        {
          mean: options.mean ?? (await numbersNamed(archive, "mean")),
          std: options.std ?? (await numbersNamed(archive, "std")),
        },
        layout.channels,
        what,
      ),
      split,
      hash.digest("hex"),
    );
  } catch (error) {
    await archive.close();
    throw error;
  }
}

class NpzDataset implements Dataset {
  readonly name = "npz";
  readonly length: number;
  readonly imageShape: readonly [number, number, number];
  readonly files: readonly string[];
  readonly mean: readonly number[];
  readonly std: readonly number[];

  constructor(
    private readonly archive: NpzArchive,
    private readonly images: ArchivedArray,
    private readonly labels: ArchivedArray,
    private readonly layout: Layout,
    readonly classes: readonly string[],
    statistics: { readonly mean: readonly number[]; readonly std: readonly number[] },
    readonly split: Split,
    readonly sha256: string,
  ) {
    this.length = images.header.shape[0] as number;
    this.imageShape = [layout.channels, layout.height, layout.width];
    this.files = [archive.path];
    this.mean = statistics.mean;
    this.std = statistics.std;
  }

  async read(start: number, count: number): Promise<Batch> {
    checkRange(this, start, count);
    const rows = Math.min(count, this.length - start);
    const labels = numbersOf(this.labels.header.dtype, await this.labels.readRows(start, rows)) ?? [];
    checkLabels(this, labels, start);
    const bytes = await this.images.readRows(start, rows);
    const pixels = this.pixels(bytes, start);
    return {
      images: this.layout.channelsLast ? channelsFirst(pixels, this.layout) : pixels,
      labels: Int32Array.from(labels),
      start,
    };
  }

  close(): Promise<void> {
    return this.archive.close();
  }

  private pixels(bytes: Uint8Array, start: number): Float32Array {
    const { dtype } = this.images.header;
    if (dtype === "|u1") return pixelsOfBytes(bytes);
    const values = numbersOf(dtype, bytes) ?? [];
    const { channels, height, width } = this.layout;
    for (let i = 0; i < values.length; i++) {
      const value = values[i] as number;
      // Written so that NaN fails, too.
      if (value >= 0 && value <= 1) continue;
      const sample = start + Math.floor(i / (channels * height * width));
      throw new HireSnnError(
        "DATASET_INVALID",
        `Expected pixels in [0, 1] in ${this.images.name} of ${this.archive.path} but found ${value} in sample ${sample}; divide ` +
          "images of 0 to 255 by 255 or save them as uint8, and leave the normalisation to the classifier",
      );
    }
    return values instanceof Float32Array ? values : Float32Array.from(values);
  }
}

function arrayNames(archive: NpzArchive, split: Split): { images: string; labels: string } {
  const known = [
    { images: "images", labels: "labels" },
    { images: `x_${split}`, labels: `y_${split}` },
  ];
  const found = known.find(({ images, labels }) => archive.has(images) && archive.has(labels));
  if (found) return found;
  throw new HireSnnError(
    "DATASET_INVALID",
    `Expected arrays ${known.map(({ images, labels }) => `${images} and ${labels}`).join(", or ")} in ${archive.path} but found ` +
      `${archive.names.join(", ") || "none"}; save them by np.savez(file, images=..., labels=...)`,
  );
}

function checkImages(path: string, name: string, { dtype, shape }: NpyHeader): void {
  if (!imageTypes.includes(dtype)) throw invalid(path, name, "uint8, float32 or float64", dtype);
  if (shape.length < 3 || shape.length > 4 || shape.slice(1).some((size) => size < 1)) {
    throw invalid(path, name, "[N, C, H, W], [N, H, W, C] or [N, H, W]", `[${shape.join(", ")}]`);
  }
}

function checkLabelArray(
  path: string,
  name: string,
  { dtype, shape }: NpyHeader,
  images: ArchivedArray,
): void {
  if (!labelTypes.includes(dtype)) throw invalid(path, name, "integers", dtype);
  const count = images.header.shape[0];
  if (shape.length !== 1 || shape[0] !== count) {
    throw invalid(path, name, `[${count}], one label per image,`, `[${shape.join(", ")}]`);
  }
}

function layoutOf(path: string, { name, header: { shape } }: ArchivedArray): Layout {
  const [, first = 0, second = 0, third] = shape;
  if (third === undefined) return { channels: 1, height: first, width: second, channelsLast: false };
  const isChannels = (size: number): boolean => size === 1 || size === 3;
  if (isChannels(first) && isChannels(third) && first * second * third > 1) {
    throw invalid(
      path,
      name,
      "channels either first or last",
      `[${shape.join(", ")}], which may be both; save images of such a size another way`,
    );
  }
  if (isChannels(first)) return { channels: first, height: second, width: third, channelsLast: false };
  if (isChannels(third)) return { channels: third, height: first, width: second, channelsLast: true };
  throw invalid(path, name, "1 or 3 channels, first or last,", `[${shape.join(", ")}]`);
}

function channelsFirst(pixels: Float32Array, { channels, height, width }: Layout): Float32Array {
  const plane = height * width;
  const result = new Float32Array(pixels.length);
  for (let image = 0; image < pixels.length; image += channels * plane) {
    for (let i = 0; i < plane; i++) {
      for (let c = 0; c < channels; c++) {
        result[image + c * plane + i] = pixels[image + i * channels + c] as number;
      }
    }
  }
  return result;
}

async function classesOf(archive: NpzArchive, { classes }: NpzOptions): Promise<readonly string[]> {
  if (typeof classes === "number") return Array.from({ length: classes }, (_, i) => String(i));
  if (classes !== undefined) return classes;
  if (archive.has("classes")) {
    const array = await archive.array("classes", ({ shape }) => {
      if (shape.length !== 1) throw invalid(archive.path, "classes", "[K]", `[${shape.join(", ")}]`);
    });
    const names = textsOf(array.header.dtype, await array.readRows(0, array.header.shape[0] as number));
    if (names) return names;
    throw invalid(archive.path, "classes", "text", array.header.dtype);
  }
  throw new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected the number of classes (--classes) for ${archive.path}, which has no array classes, but received none`,
  );
}

async function numbersNamed(archive: NpzArchive, name: string): Promise<readonly number[] | undefined> {
  if (!archive.has(name)) return undefined;
  const array = await archive.array(name, ({ shape }) => {
    if (shape.length !== 1) throw invalid(archive.path, name, "[C]", `[${shape.join(", ")}]`);
  });
  const numbers = numbersOf(array.header.dtype, await array.readRows(0, array.header.shape[0] as number));
  if (numbers) return Array.from(numbers);
  throw invalid(archive.path, name, "numbers", array.header.dtype);
}

function invalid(path: string, name: string, expected: string, found: string): HireSnnError {
  return new HireSnnError(
    "DATASET_INVALID",
    `Expected ${expected} for ${name} in ${path} but found ${found}`,
  );
}
