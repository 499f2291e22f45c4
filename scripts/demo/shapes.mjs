// Ten classes of faint shapes on textured ground: what the demo's images show.
//
// Only additions, multiplications, divisions and square roots are used, which IEEE 754 rounds in one way: the images are the
// same bytes on every machine. Math.sin and its like are not.
import { uniformStream } from "./random.mjs";

export const imageShape = [3, 16, 16];
const size = 16;
const pixels = size * size;

/** How far a shape stands out from its ground, in pixel units: a few times the demo's epsilon of 0.031. */
const contrast = { from: 0.13, to: 0.2 };
/** Half ranges of what hides it: smooth light and shade, and grain of each pixel and channel. */
const shade = 0.16;
const grain = 0.05;

/**
 * How much of a class's shape covers a point, from 0 to 1, with edges about a pixel wide. Coordinates are in units of the
 * shape's half size, so that it fills the square from -1 to 1; `edge` is a pixel's width in them.
 */
const inside = (distance, edge) => Math.min(1, Math.max(0, 0.5 - distance / edge));
const box = (x, y, halfWidth, halfHeight) => Math.max(Math.abs(x) - halfWidth, Math.abs(y) - halfHeight);
const shapes = {
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
export const classes = Object.keys(shapes);

/**
 * One image as bytes [C, H, W]. Classes take turns, so every run of ten images holds each once.
 * @param {string} stream seed and split
 * @param {number} index
 * @returns {{ label: number, bytes: Uint8Array }}
 */
export function drawImage(stream, index) {
  const random = uniformStream(`${stream}/${index}`);
  const between = (from, to) => from + (to - from) * random();
  const label = index % classes.length;
  const shape = shapes[classes[label]];
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
function smoothNoise(random) {
  const octave = (cells) => {
    const heights = Array.from({ length: (cells + 1) ** 2 }, () => 2 * random() - 1);
    return (x, y) => {
      const u = ((x + 0.5) / size) * cells;
      const v = ((y + 0.5) / size) * cells;
      const column = Math.floor(u);
      const row = Math.floor(v);
      const height = (dx, dy) => heights[(row + dy) * (cells + 1) + column + dx];
      const top = height(0, 0) + (u - column) * (height(1, 0) - height(0, 0));
      const bottom = height(0, 1) + (u - column) * (height(1, 1) - height(0, 1));
      return top + (v - row) * (bottom - top);
    };
  };
  const coarse = octave(2);
  const fine = octave(5);
  return (x, y) => 0.6 * coarse(x, y) + 0.4 * fine(x, y);
}
