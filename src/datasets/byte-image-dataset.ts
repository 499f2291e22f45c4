import { HireSnnError } from "../errors";
import type { Batch, Dataset, Split } from "./dataset";

/** Samples as data sets store them: one byte a pixel and channel. */
export interface ByteImages {
  /** [N]: class indices as they are stored, which may be impossible ones */
  readonly labels: Uint8Array | Int32Array;
  /** [N, C, H, W], row-major */
  readonly pixels: Uint8Array;
}

/** Where byte images come from: files that are read record by record, or arrays in memory. */
export interface ByteImageSource {
  readonly length: number;
  readonly files: readonly string[];
  readonly sha256: string;
  /** @param start and `count` lie within the source */
  read(start: number, count: number): Promise<ByteImages>;
  close(): Promise<void>;
}

export interface DatasetDescription {
  readonly name: string;
  readonly split: Split;
  readonly classes: readonly string[];
  readonly imageShape: readonly [number, number, number];
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/**
 * The pixel of each byte: the float32 quotient, which is what `float32(byte) / 255` gives and `byte * (1 / 255)` does not. (The
 * double quotient rounds to the float32 one: a double has more than twice the bits.)
 */
const pixelOfByte = Float32Array.from({ length: 256 }, (_, byte) => byte / 255);

/** A data set over byte images: checks labels, and turns bytes into pixels. */
export class ByteImageDataset implements Dataset {
  readonly name: string;
  readonly split: Split;
  readonly classes: readonly string[];
  readonly imageShape: readonly [number, number, number];
  readonly mean: readonly number[];
  readonly std: readonly number[];

  constructor(
    description: DatasetDescription,
    private readonly source: ByteImageSource,
  ) {
    this.name = description.name;
    this.split = description.split;
    this.classes = description.classes;
    this.imageShape = description.imageShape;
    this.mean = description.mean;
    this.std = description.std;
  }

  get length(): number {
    return this.source.length;
  }

  get files(): readonly string[] {
    return this.source.files;
  }

  get sha256(): string {
    return this.source.sha256;
  }

  async read(start: number, count: number): Promise<Batch> {
    checkCount(start, this.length, "start");
    checkCount(count, Number.MAX_SAFE_INTEGER, "count");
    const { labels, pixels } = await this.source.read(start, Math.min(count, this.length - start));
    const impossible = labels.findIndex((label) => label < 0 || label >= this.classes.length);
    if (impossible >= 0) {
      throw new HireSnnError(
        "DATASET_INVALID",
        `Expected a label from 0 to ${this.classes.length - 1} for sample ${start + impossible} of ${this.name} but found ` +
          `${labels[impossible]} in ${this.files.join(", ")}; the file is corrupt, or belongs to another data set`,
      );
    }
    const images = new Float32Array(pixels.length);
    for (let i = 0; i < pixels.length; i++) images[i] = pixelOfByte[pixels[i] as number] as number;
    return { images, labels: Int32Array.from(labels), start };
  }

  close(): Promise<void> {
    return this.source.close();
  }
}

function checkCount(value: number, largest: number, name: string): void {
  if (Number.isSafeInteger(value) && value >= 0 && value <= largest) return;
  throw new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected an integer from 0 to ${largest} for ${name} but received ${value}`,
  );
}
