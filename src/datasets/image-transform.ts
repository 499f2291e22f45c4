import { pillowResize, type ByteImage } from "./pillow-resize";

/** What torchvision's evaluation transforms do to an image before it becomes a tensor. */
export interface TransformOptions {
  /** Pixels of the shorter side after resizing, as `Resize(n)`. @default not resized */
  readonly resize?: number | undefined;
  /** Pixels of both sides after cropping, as `CenterCrop(n)`. @default not cropped */
  readonly crop?: number | undefined;
}

/** `Resize`, then `CenterCrop`, bit for bit as torchvision does both to a PIL image. */
export function transformImage(image: ByteImage, { resize, crop }: TransformOptions): ByteImage {
  const resized = resize === undefined ? image : resizeShorter(image, resize);
  return crop === undefined ? resized : centreCrop(resized, crop);
}

function resizeShorter(image: ByteImage, size: number): ByteImage {
  const { width, height } = image;
  const longer = Math.trunc((size * Math.max(width, height)) / Math.min(width, height));
  return width <= height ? pillowResize(image, size, longer) : pillowResize(image, longer, size);
}

/** An image that is smaller is centred on black. */
function centreCrop({ width, height, channels, data }: ByteImage, size: number): ByteImage {
  const left = cropOffset(width, size);
  const top = cropOffset(height, size);
  const result = new Uint8Array(size * size * channels);
  const firstX = Math.max(0, -left);
  const pixels = Math.min(size, width - Math.max(0, left));
  for (let y = 0; y < size; y++) {
    const row = y + top;
    if (row < 0 || row >= height) continue;
    const from = (row * width + Math.max(0, left)) * channels;
    result.set(data.subarray(from, from + pixels * channels), (y * size + firstX) * channels);
  }
  return { width: size, height: size, channels, data: result };
}

/** Where the crop begins; below 0 by the pixels of padding. Halves go to the even number, as Python's `round` does. */
function cropOffset(length: number, size: number): number {
  if (size > length) return -Math.floor((size - length) / 2);
  const half = (length - size) / 2;
  const floor = Math.floor(half);
  return half === floor || floor % 2 === 0 ? floor : floor + 1;
}
