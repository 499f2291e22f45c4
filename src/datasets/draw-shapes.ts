import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { HireSnnError } from "../errors";
import type { Split } from "./dataset";

/**
 * Draws the procedural set `shapes`: ten classes of faint shapes on textured ground.
 *
 * The numbers of an image depend on the seed, the split and the image's index alone, so that any image can be drawn again by itself. Only
 * additions, multiplications, divisions and square roots are used, which IEEE 754 rounds in one way: the images are the same bytes on
 * every machine. Math.sin and its like are not.
 */
const seed = 2021;
const imageShape = [3, 16, 16] as const;
const size = 16;
const pixels = size * size;
/** Of the training set of 8,000 images, per channel, as the scripts of CIFAR state theirs: a set's own would depend on its split. */
const mean = [0.43, 0.43, 0.43];
const std = [0.095, 0.095, 0.095];

/** How far a shape stands out from its ground, in pixel units: a few times the usual epsilon of 0.031. */
const contrast = { from: 0.13, to: 0.2 };
/** Half ranges of what hides it: smooth light and shade, and grain of each pixel and channel. */
const shade = 0.16;
const grain = 0.05;

/** Uniform numbers of [0, 1). */
type Random = () => number;

const wordsPerBlock = 8;

/** Uniform numbers of [0, 1) on a grid of 2^-24, from SHA-256 of `name` and a counter. */
function uniformStream(name: string): Random {
  let block = Buffer.alloc(0);
  let blocks = 0;
  let word = wordsPerBlock;
  return () => {
    if (word === wordsPerBlock) {
      block = createHash("sha256").update(`${name}/${blocks++}`).digest();
      word = 0;
    }
    return (block.readUInt32LE(4 * word++) >>> 8) * 2 ** -24;
  };
}

/** How much of a shape covers a point, from 0 to 1, with edges about a pixel wide; `edge` is a pixel's width. */
function inside(distance: number, edge: number): number {
  return Math.min(1, Math.max(0, 0.5 - distance / edge));
}

function box(x: number, y: number, halfWidth: number, halfHeight: number): number {
  return Math.max(Math.abs(x) - halfWidth, Math.abs(y) - halfHeight);
}

/** Signed distances from each class's shape, which fills the square from -1 to 1. */
const shapes: Readonly<Record<string, (x: number, y: number) => number>> = {
  disc: (x, y) => Math.sqrt(x * x + y * y) - 0.95,
  ring: (x, y) => Math.abs(Math.sqrt(x * x + y * y) - 0.75) - 0.22,
  square: (x, y) => box(x, y, 0.85, 0.85),
  frame: (x, y) => Math.abs(box(x, y, 0.72, 0.72)) - 0.2,
  triangle: (x, y) => Math.max(y - 0.85, 0.89 * Math.abs(x) - 0.45 * y - 0.45),
  plus: (x, y) => Math.min(box(x, y, 1, 0.26), box(x, y, 0.26, 1)),
  cross: (x, y) => Math.max(Math.min(Math.abs(x - y), Math.abs(x + y)) / 1.4142 - 0.24, box(x, y, 1, 1)),
  "horizontal bars": (x, y) => Math.min(box(x, y - 0.62, 1, 0.26), box(x, y + 0.62, 1, 0.26)),
  "vertical bars": (x, y) => Math.min(box(x - 0.62, y, 0.26, 1), box(x + 0.62, y, 0.26, 1)),
  dots: (x, y) => {
    const u = Math.abs(x) - 0.62;
    const v = Math.abs(y) - 0.62;
    return Math.sqrt(u * u + v * v) - 0.36;
  },
};
const classes = Object.keys(shapes);

/** One image as bytes [C, H, W]. Classes take turns, so every run of ten images holds each once. */
function drawImage(split: Split, index: number): { label: number; bytes: Uint8Array } {
  const random = uniformStream(`shapes/${seed}/${split}/${index}`);
  const between = (from: number, to: number): number => from + (to - from) * random();
  const label = index % classes.length;
  const shape = shapes[classes[label]!]!;
  const half = between(4.2, 5.8);
  const centreX = size / 2 + between(-1.8, 1.8);
  const centreY = size / 2 + between(-1.8, 1.8);
  // A slight turn by the rational parametrisation of the circle: t = tan(angle / 2), up to 8 degrees.
  const t = between(-0.07, 0.07);
  const cosine = (1 - t * t) / (1 + t * t);
  const sine = (2 * t) / (1 + t * t);
  const strength = between(contrast.from, contrast.to);

  const bytes = new Uint8Array(3 * pixels);
  for (let channel = 0; channel < 3; channel++) {
    const level = between(0.3, 0.5);
    const tint = strength * between(0.7, 1);
    const ground = smoothNoise(random);
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const dx = (x + 0.5 - centreX) / half;
        const dy = (y + 0.5 - centreY) / half;
        const cover = inside(shape(cosine * dx + sine * dy, cosine * dy - sine * dx), 1 / half);
        const value = level + shade * ground(x, y) + grain * between(-1, 1) + tint * cover;
        bytes[channel * pixels + y * size + x] = Math.round(255 * Math.min(1, Math.max(0, value)));
      }
    }
  }
  return { label, bytes };
}

/** Two octaves of value noise within [-1, 1]: random heights on a coarse and a finer lattice, interpolated linearly. */
function smoothNoise(random: Random): (x: number, y: number) => number {
  const octave = (cells: number): ((x: number, y: number) => number) => {
    const heights = Array.from({ length: (cells + 1) ** 2 }, () => 2 * random() - 1);
    return (x, y) => {
      const u = ((x + 0.5) / size) * cells;
      const v = ((y + 0.5) / size) * cells;
      const column = Math.floor(u);
      const row = Math.floor(v);
      const height = (dx: number, dy: number): number => heights[(row + dy) * (cells + 1) + column + dx]!;
      const top = height(0, 0) + (u - column) * (height(1, 0) - height(0, 0));
      const bottom = height(0, 1) + (u - column) * (height(1, 1) - height(0, 1));
      return top + (v - row) * (bottom - top);
    };
  };
  const coarse = octave(2);
  const fine = octave(5);
  return (x, y) => 0.6 * coarse(x, y) + 0.4 * fine(x, y);
}

/**
 * Draws the procedural set `shapes` into a folder, for {@link openDataset}: `images.bin`, records of one label byte and 3 x 16 x 16 pixel
 * bytes, and `images.json`, which says what they are. The same split and count are the same bytes on every machine; a smaller count is
 * the beginning of a larger one.
 *
 * @param count images, from 1; ten in a row hold each class once
 * @throws HireSnnError INVALID_ARGUMENT for a count below 1; IO if the folder cannot be written
 */
export async function drawShapes(folder: string, split: Split, count: number): Promise<void> {
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new HireSnnError("INVALID_ARGUMENT", `Expected an integer from 1 for count but received ${count}`);
  }
  const recordBytes = 1 + 3 * pixels;
  const records = Buffer.alloc(count * recordBytes);
  for (let index = 0; index < count; index++) {
    const { label, bytes } = drawImage(split, index);
    records[index * recordBytes] = label;
    records.set(bytes, index * recordBytes + 1);
  }
  const sha256 = createHash("sha256").update(records).digest("hex");
  const description = { name: "shapes", imageShape, classes, count, mean, std, sha256 };
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "images.bin"), records);
    await writeFile(join(folder, "images.json"), `${JSON.stringify(description, null, 2)}\n`);
  } catch (error) {
    throw new HireSnnError("IO", `Could not write the images to ${folder}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
