/** One batch of consecutive samples. */
export interface Batch {
  /** [N, C, H, W], row-major, float32 in [0, 1]. */
  readonly images: Float32Array;
  /** `[N]`: class indices. */
  readonly labels: Int32Array;
  /** Index of the first sample in the data set; the rest follow in file order. */
  readonly start: number;
}

/** Which part of a data set. */
export type Split = "test" | "train";

/** A set of labelled images, read in file order. */
export interface Dataset {
  /** "cifar10", "cifar100", "mnist", "folder", "npz", "shapes". */
  readonly name: string;
  readonly split: Split;
  readonly classes: readonly string[];
  readonly length: number;
  /** [C, H, W] */
  readonly imageShape: readonly [number, number, number];
  /** Per channel, in pixel units: what a network trained on this set subtracts, and divides by. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** The file or files that the samples come from, in order. */
  readonly files: readonly string[];
  /**
   * SHA-256 over the content of these files, one after the other: part of a run's identity. Of a compressed file or an archive it is
   * the unpacked content that counts, so both ways to keep a set give the same. What a loader does to the content (a folder's resize
   * and crop, an npz's layout) goes in as well.
   */
  readonly sha256: string;
  /**
   * @param start index of the first sample, from 0 to `length`
   * @param count at most this many; fewer at the end of the set
   * @throws HireSnnError INVALID_ARGUMENT if `start` or `count` is impossible, DATASET_INVALID if a label is, or if a file shrank
   */
  read(start: number, count: number): Promise<Batch>;
  /** Closes the files. */
  close(): Promise<void>;
}
