import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { HireSnnError } from "../errors";
import { ByteImageDataset } from "./byte-image-dataset";
import type { Dataset } from "./dataset";
import { RecordFiles } from "./record-files";

/** What stands in `images.json` beside `images.bin`. */
interface ShapesHeader {
  readonly name: string;
  /** [C, H, W] */
  readonly imageShape: readonly [number, number, number];
  readonly classes: readonly string[];
  readonly count: number;
  /** Per channel, in pixel units. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Of `images.bin`. */
  readonly sha256: string;
}

/**
 * The procedural set of the demo: `images.bin`, records of a label byte and C x H x W pixel bytes, described by `images.json`.
 *
 * @param data the folder with both files, or the one above its folder `shapes`
 * @throws HireSnnError DATASET_INVALID if a file is missing, short, or not what the description says
 */
export async function openShapes(data: string): Promise<Dataset> {
  const { folder, text } = await findDescription(data);
  const path = join(folder, "images.json");
  const header = parseHeader(path, text);
  const pixelBytes = header.imageShape.reduce((product, size) => product * size, 1);
  const records = { path: join(folder, "images.bin"), records: header.count };
  const source = await RecordFiles.open({ labelBytes: 1, pixelBytes }, [records]);
  if (source.sha256 !== header.sha256) {
    await source.close();
    throw new HireSnnError(
      "DATASET_INVALID",
      `Expected SHA-256 ${header.sha256} of ${records.path}, as ${path} says, but found ${source.sha256}; make the set again`,
    );
  }
  return new ByteImageDataset({ ...header, split: "test" }, source);
}

async function findDescription(data: string): Promise<{ folder: string; text: string }> {
  for (const folder of [data, join(data, "shapes")]) {
    try {
      return { folder, text: await readFile(join(folder, "images.json"), "utf8") };
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT" && code !== "ENOTDIR") throw error;
    }
  }
  throw new HireSnnError(
    "DATASET_INVALID",
    `Expected images.json and images.bin for shapes in ${data} but found no images.json; name their folder with --data or ` +
      "HIRE_SNN_DATA",
  );
}

function parseHeader(path: string, text: string): ShapesHeader {
  let header: Partial<Record<keyof ShapesHeader, unknown>> | null;
  try {
    header = JSON.parse(text) as typeof header;
  } catch (error) {
    throw invalid(path, "JSON", (error as Error).message);
  }
  const { name, imageShape, classes, count, mean, std, sha256 } = header ?? {};
  if (typeof name !== "string") throw invalid(path, "a text under name", name);
  if (!isListOf(imageShape, isSize, 3))
    throw invalid(path, "three sizes [C, H, W] under imageShape", imageShape);
  const [channels, height, width] = imageShape as [number, number, number];
  if (!isListOf(classes, isText) || classes.length < 2 || classes.length > 256) {
    throw invalid(path, "2 to 256 names under classes", classes);
  }
  if (!isSize(count)) throw invalid(path, "the number of images under count", count);
  if (!isListOf(mean, isNumber, channels)) throw invalid(path, "one number per channel under mean", mean);
  if (!isListOf(std, isNumber, channels) || std.some((value) => value <= 0)) {
    throw invalid(path, "one number above 0 per channel under std", std);
  }
  if (!isText(sha256)) throw invalid(path, "the SHA-256 of images.bin under sha256", sha256);
  return { name, imageShape: [channels, height, width], classes, count, mean, std, sha256 };
}

function isListOf<T>(value: unknown, isItem: (item: unknown) => item is T, length?: number): value is T[] {
  return Array.isArray(value) && (length === undefined || value.length === length) && value.every(isItem);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isNumber(value: unknown): value is number {
  return Number.isFinite(value);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function invalid(path: string, expected: string, found: unknown): HireSnnError {
  const text = found === undefined ? "nothing" : JSON.stringify(found).slice(0, 80);
  return new HireSnnError(
    "DATASET_INVALID",
    `Expected ${expected} in ${path} but found ${text}; make the set again`,
  );
}
