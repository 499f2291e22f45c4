import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { relative } from "node:path";
import { HireSnnError } from "../errors";
import { ByteImageDataset, type ByteImages, type ByteImageSource } from "./byte-image-dataset";
import type { Dataset, Split } from "./dataset";
import { decodeImage } from "./decode-image";
import { listFolder, type FolderListing } from "./folder-layout";
import { transformImage, type TransformOptions } from "./image-transform";
import type { ByteImage } from "./pillow-resize";
import { requireStatistics, type StatisticsOptions } from "./statistics";

export interface FolderOptions extends StatisticsOptions, TransformOptions {
  /** Names of the classes in the order of their labels, or how many there are. @default found, see `listFolder` */
  readonly classes?: number | readonly string[] | undefined;
}

/** Decoded side by side: enough for the cores, few enough for memory. */
const atOnce = 4;

/**
 * PNG and JPEG files in class folders or beside a labels file, ImageNet's and Tiny-ImageNet's layouts among them. An image becomes
 * what torchvision's `ImageFolder` with `Resize`, `CenterCrop` and `ToTensor` makes of it, to the bit. Opening reads all files once,
 * for their hash.
 *
 * @param data see {@link listFolder}
 * @throws HireSnnError DATASET_INVALID if the layout is not as it has to be; INVALID_ARGUMENT without mean and std
 */
export async function openImageFolder(data: string, split: Split, options: FolderOptions): Promise<Dataset> {
  const { mean, std } = requireStatistics(options, 3, `the images in ${data}`);
  const { resize, crop } = options;
  for (const [name, value] of Object.entries({ resize, crop })) {
    if (value === undefined || (Number.isSafeInteger(value) && value > 0 && value <= 10_000)) continue;
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected 1 to 10000 pixels for ${name} but received ${value}`,
    );
  }
  const listing = await listFolder(data, split, options.classes);
  const first = await readImage(listing.paths[0] as string, { resize, crop });
  const source = new ImageFiles(
    listing,
    { resize, crop },
    first,
    await hashOf(data, listing, { resize, crop }),
  );
  const imageShape = [3, first.height, first.width] as const;
  return new ByteImageDataset(
    { name: "folder", split, classes: listing.classes, imageShape, mean, std },
    source,
  );
}

class ImageFiles implements ByteImageSource {
  constructor(
    private readonly listing: FolderListing,
    private readonly transform: TransformOptions,
    /** Whose size all have to have. */
    private readonly first: ByteImage,
    readonly sha256: string,
  ) {}

  get length(): number {
    return this.listing.paths.length;
  }

  get files(): readonly string[] {
    return this.listing.paths;
  }

  async read(start: number, count: number): Promise<ByteImages> {
    const { width, height } = this.first;
    const plane = width * height;
    const pixels = new Uint8Array(count * 3 * plane);
    for (let done = 0; done < count; done += atOnce) {
      const paths = this.listing.paths.slice(start + done, start + Math.min(done + atOnce, count));
      const images = await Promise.all(paths.map((path) => readImage(path, this.transform)));
      for (const [i, image] of images.entries()) {
        this.checkSize(image, paths[i] as string);
        planes(image, pixels.subarray((done + i) * 3 * plane));
      }
    }
    return { labels: this.listing.labels.slice(start, start + count), pixels };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private checkSize({ width, height }: ByteImage, path: string): void {
    if (width === this.first.width && height === this.first.height) return;
    throw new HireSnnError(
      "DATASET_INVALID",
      `Expected images of ${this.first.width} x ${this.first.height}, as the first one is, in ${path} but found ${width} x ${height}; ` +
        "bring them to one size with --resize and --crop (ImageNet's usual: --resize 256 --crop 224)",
    );
  }
}

async function readImage(path: string, transform: TransformOptions): Promise<ByteImage> {
  return transformImage(await decodeImage(await readContent(path), path), transform);
}

async function readContent(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new HireSnnError("IO", `Cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** Moves interleaved bytes into planes. */
function planes({ width, height, data }: ByteImage, target: Uint8Array): void {
  const plane = width * height;
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) target[c * plane + i] = data[3 * i + c] as number;
  }
}

/** Over all that decides the batches: names, labels, what is done to the images, their files. */
async function hashOf(data: string, listing: FolderListing, transform: TransformOptions): Promise<string> {
  const hash = createHash("sha256");
  const names = listing.paths.map((path) => relative(data, path).split("\\").join("/"));
  hash.update(
    JSON.stringify({ names, labels: Array.from(listing.labels), classes: listing.classes, ...transform }),
  );
  for (const path of listing.paths) {
    const content = await readContent(path);
    hash.update(`\0${content.length}\0`).update(content);
  }
  return hash.digest("hex");
}
