import type { Batch, Dataset, Split } from "./dataset";
import { checkLabels, checkRange } from "./read-checks";

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

/** The pixels of bytes, in [0, 1]. */
export function pixelsOfBytes(bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const pixels = new Float32Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) pixels[i] = pixelOfByte[bytes[i] as number] as number;
  return pixels;
}

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
    checkRange(this, start, count);
    const { labels, pixels } = await this.source.read(start, Math.min(count, this.length - start));
    checkLabels(this, labels, start);
    return { images: pixelsOfBytes(pixels), labels: Int32Array.from(labels), start };
  }

  close(): Promise<void> {
    return this.source.close();
  }
}
