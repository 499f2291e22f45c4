/**
 * The resize of Pillow (`Image.resize(size, Image.BILINEAR)`), which is what torchvision's `Resize` does to a PIL image, bit for bit
 * on bytes. It is bilinear with antialiasing: when it shrinks, the triangle spans as many pixels as fall into one.
 */

/** An image of interleaved bytes, [H, W, C]. */
export interface ByteImage {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: Uint8Array;
}

/** Pillow's weights are integers with so many bits behind the point: 32 less 8 of the pixel and 2 of reserve. */
const fractionBits = 22;

/** What one pixel of the result is made of: pixels from `first` on, by their weights. */
interface Window {
  readonly first: number;
  readonly weights: Int32Array;
}

/** First along the rows, then along the columns, each pass rounded to bytes; a side that stays as it is has no pass. */
export function pillowResize(image: ByteImage, width: number, height: number): ByteImage {
  const narrowed = width === image.width ? image : resizeRows(image, width);
  return height === image.height ? narrowed : resizeColumns(narrowed, height);
}

function resizeRows({ width, height, channels, data }: ByteImage, target: number): ByteImage {
  const result = new Uint8Array(target * height * channels);
  const all = windows(width, target);
  let at = 0;
  for (let y = 0; y < height; y++) {
    for (const { first, weights } of all) {
      const from = (y * width + first) * channels;
      for (let c = 0; c < channels; c++) result[at++] = weighted(data, from + c, channels, weights);
    }
  }
  return { width: target, height, channels, data: result };
}

function resizeColumns({ width, height, channels, data }: ByteImage, target: number): ByteImage {
  const rowBytes = width * channels;
  const result = new Uint8Array(target * rowBytes);
  let at = 0;
  for (const { first, weights } of windows(height, target)) {
    for (let i = 0; i < rowBytes; i++) result[at++] = weighted(data, first * rowBytes + i, rowBytes, weights);
  }
  return { width, height: target, channels, data: result };
}

function weighted(data: Uint8Array, from: number, stride: number, weights: Int32Array): number {
  let sum = 1 << (fractionBits - 1);
  for (let i = 0; i < weights.length; i++)
    sum += (data[from + i * stride] as number) * (weights[i] as number);
  return Math.min(255, sum >> fractionBits);
}

function windows(size: number, target: number): Window[] {
  const scale = size / target;
  // Enlarging does not narrow the triangle.
  const spread = Math.max(scale, 1);
  return Array.from({ length: target }, (_, x) => {
    const centre = (x + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - spread + 0.5));
    const end = Math.min(size, Math.trunc(centre + spread + 0.5));
    // The order of these operations is Pillow's: another would round otherwise.
    const triangle = Array.from({ length: end - first }, (_entry, i) =>
      Math.max(0, 1 - Math.abs((i + first - centre + 0.5) * (1 / spread))),
    );
    const total = triangle.reduce((sum, value) => sum + value, 0);
    return {
      first,
      weights: Int32Array.from(triangle, (value) => 0.5 + (value / total) * (1 << fractionBits)),
    };
  });
}
