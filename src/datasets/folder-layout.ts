import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { HireSnnError } from "../errors";
import type { Split } from "./dataset";

/** The images of a folder in order, with their labels. */
export interface FolderListing {
  readonly classes: readonly string[];
  /** Absolute or relative to the working folder, as the data folder was given. */
  readonly paths: readonly string[];
  /** Class indices. */
  readonly labels: Int32Array;
}

const splitFolders: Readonly<Record<Split, readonly string[]>> = { test: ["test", "val"], train: ["train"] };
const labelFiles = ["labels.csv", "labels.tsv", "labels.txt", "val_annotations.txt"];
/** Each has a class a line. Tiny-ImageNet's is sorted, because class folders are; the other's order is that of the labels. */
const classFiles = [
  { file: "classes.txt", sorted: false },
  { file: "wnids.txt", sorted: true },
] as const;
const readImages = [".jpg", ".jpeg", ".png"];
/** What torchvision would take for images, and this package does not read. */
const otherImages = [".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"];

/**
 * Finds the images of a folder and their labels.
 *
 * `data` holds `test` or `val`, and `train`; or is itself the folder of one split. The split's folder has either
 * - a labels file (`labels.csv`, `.tsv` or `.txt`, or Tiny-ImageNet's `val_annotations.txt`): a line per image with its path, relative
 *   to the folder or its `images`, and its class or label, separated by tab, comma or space; images come in its order; or
 * - a folder per class with PNG and JPEG files, at any depth; images come in the order of torchvision's `ImageFolder`.
 *
 * The classes are, in this order: what `classes` names; the lines of `classes.txt` or `wnids.txt` in the folder or the one above it;
 * the class folders' names, sorted; those in the labels file, sorted.
 *
 * @param classes their names, or how many there have to be
 * @throws HireSnnError DATASET_INVALID if there are no images, or a file or class is missing or doubled; INVALID_ARGUMENT if the
 *   labels are numbers and nothing says how many classes there are
 */
export async function listFolder(
  data: string,
  split: Split,
  classes?: number | readonly string[],
): Promise<FolderListing> {
  const folder = await splitFolder(data, split);
  const given = typeof classes === "number" ? undefined : (classes ?? (await namedClasses(folder)));
  const labelFile = await firstExisting(labelFiles.map((name) => join(folder, name)));
  const listing =
    labelFile === undefined
      ? await listClassFolders(folder, given)
      : await listLabelFile(folder, labelFile, given, typeof classes === "number" ? classes : undefined);
  if (typeof classes === "number" && listing.classes.length !== classes) {
    throw invalid(`${classes} classes in ${folder}`, String(listing.classes.length));
  }
  return listing;
}

async function splitFolder(data: string, split: Split): Promise<string> {
  if (!(await isFolder(data))) {
    const found = (await exists(data)) ? "a file" : "no such folder";
    throw invalid(`a folder of images in ${data}`, `${found}; name it with --data`);
  }
  // Tiny-ImageNet has a test folder, too, whose labels are not published.
  if (split === "test" && (await exists(join(data, "val", "val_annotations.txt")))) return join(data, "val");
  for (const name of splitFolders[split]) {
    if (await isFolder(join(data, name))) return join(data, name);
  }
  return data;
}

async function namedClasses(folder: string): Promise<readonly string[] | undefined> {
  for (const place of [folder, dirname(folder)]) {
    for (const { file, sorted } of classFiles) {
      const path = join(place, file);
      if (!(await exists(path))) continue;
      const names = (await readFile(path, "utf8")).split(/\r?\n/).filter((line) => line.trim() !== "");
      if (names.length < 1) throw invalid(`a class a line in ${path}`, "none");
      if (new Set(names).size !== names.length) throw invalid(`each class once in ${path}`, "one twice");
      return sorted ? names.sort() : names;
    }
  }
  return undefined;
}

async function listClassFolders(
  folder: string,
  given: readonly string[] | undefined,
): Promise<FolderListing> {
  const names: string[] = [];
  for (const { name } of await readdir(folder, { withFileTypes: true })) {
    // A link to a folder is one, too.
    if (!name.startsWith(".") && (await isFolder(join(folder, name)))) names.push(name);
  }
  names.sort();
  const classes = given ?? names;
  const unknown = names.find((name) => !classes.includes(name));
  if (unknown !== undefined) {
    throw invalid(`folders of the classes ${shorten(classes)} in ${folder}`, unknown);
  }
  if (names.length === 0) {
    throw invalid(`a labels file (${labelFiles.join(", ")}) or a folder per class in ${folder}`, "neither");
  }
  const paths: string[] = [];
  const labels: number[] = [];
  for (const name of names) {
    const images = await imagesUnder(join(folder, name));
    if (images.length === 0) throw invalid(`PNG or JPEG images in ${join(folder, name)}`, "none");
    for (const path of images) {
      paths.push(path);
      labels.push(classes.indexOf(name));
    }
  }
  return { classes, paths, labels: Int32Array.from(labels) };
}

/** Folder by folder in the order of their paths, in each by name. */
async function imagesUnder(top: string): Promise<string[]> {
  const folders = [top];
  const inFolder = new Map<string, string[]>();
  for (const folder of folders) {
    const images: string[] = [];
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        folders.push(path);
        continue;
      }
      if (entry.isSymbolicLink() && (await isFolder(path))) {
        throw invalid(`files and folders in ${folder}`, `${entry.name}, a link to a folder`);
      }
      const ending = extname(entry.name).toLowerCase();
      if (otherImages.includes(ending)) throw invalid(`PNG or JPEG images in ${folder}`, entry.name);
      if (readImages.includes(ending)) images.push(path);
    }
    inFolder.set(folder, images.sort());
  }
  return folders.sort().flatMap((folder) => inFolder.get(folder) ?? []);
}

async function listLabelFile(
  folder: string,
  file: string,
  given: readonly string[] | undefined,
  count: number | undefined,
): Promise<FolderListing> {
  const lines = parseLabels(file, await readFile(file, "utf8"));
  const classes = classesOf(file, lines, given, count);
  const indexOf = new Map(classes.map((name, index) => [name, index]));
  const paths: string[] = [];
  const labels = new Int32Array(lines.length);
  const seen = new Set<string>();
  for (const [i, { path, label, line }] of lines.entries()) {
    const where = `line ${line} of ${file}`;
    if (seen.has(path)) throw invalid(`each image once in ${file}`, `${path} twice`);
    seen.add(path);
    if (/^([/\\]|[a-z]:)/i.test(path) || path.split(/[/\\]/).includes("..")) {
      throw invalid(`a path within the folder in ${where}`, path);
    }
    if (!readImages.includes(extname(path).toLowerCase()))
      throw invalid(`a PNG or JPEG image in ${where}`, path);
    const found = await firstExisting([join(folder, path), join(folder, "images", path)]);
    if (found === undefined) throw invalid(`${path}, which ${where} names, in ${folder}`, "no such file");
    paths.push(found);
    // A number is a label where no class is called so.
    const index = indexOf.get(label) ?? (/^\d+$/.test(label) ? Number(label) : -1);
    if (index < 0 || index >= classes.length)
      throw invalid(`one of ${classes.length} classes in ${where}`, label);
    labels[i] = index;
  }
  return { classes, paths, labels };
}

interface LabelLine {
  readonly path: string;
  readonly label: string;
  readonly line: number;
}

function parseLabels(file: string, text: string): LabelLine[] {
  const result: LabelLine[] = [];
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "") continue;
    const separator = line.includes("\t") ? "\t" : line.includes(",") ? "," : /\s+/;
    const [path = "", label = ""] = line.split(separator).map((part) => part.trim());
    if (result.length === 0 && /^(file|filename|image|path)$/i.test(path)) continue;
    if (path === "" || label === "") {
      throw invalid(`a path and a class in line ${i + 1} of ${file}`, JSON.stringify(line.slice(0, 80)));
    }
    result.push({ path, label, line: i + 1 });
  }
  if (result.length === 0) throw invalid(`images in ${file}`, "none");
  return result;
}

function classesOf(
  file: string,
  lines: readonly LabelLine[],
  given: readonly string[] | undefined,
  count: number | undefined,
): readonly string[] {
  if (given) return given;
  const names = [...new Set(lines.map(({ label }) => label))].sort();
  if (!names.every((name) => /^\d+$/.test(name))) return names;
  if (count !== undefined) return Array.from({ length: count }, (_, i) => String(i));
  throw new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected the number of classes (--classes), or classes.txt beside ${basename(file)}, for the labels in ${file}, which are ` +
      "numbers, but received neither",
  );
}

async function firstExisting(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (await exists(path)) return path;
  return undefined;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (status) => status.isDirectory(),
    () => false,
  );
}

function shorten(names: readonly string[]): string {
  return names.length > 5 ? `${names.slice(0, 5).join(", ")}, ...` : names.join(", ");
}

function invalid(expected: string, found: string): HireSnnError {
  return new HireSnnError("DATASET_INVALID", `Expected ${expected} but found ${found}`);
}
