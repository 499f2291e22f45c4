import type { ByteImages, ByteImageSource } from "./byte-image-dataset";

/**
 * Byte images that are in memory, one byte a pixel and channel: what a form that cannot be read in part (a pickle, a compressed
 * file) comes to.
 */
export class MemoryImages implements ByteImageSource {
  readonly length: number;

  /**
   * @param files where they come from
   * @param parts in order; all images have one size
   */
  constructor(
    readonly files: readonly string[],
    readonly sha256: string,
    private readonly parts: readonly ByteImages[],
  ) {
    this.length = parts.reduce((sum, { labels }) => sum + labels.length, 0);
  }

  read(start: number, count: number): Promise<ByteImages> {
    const pixelBytes = this.pixelBytes();
    const labels = new Int32Array(count);
    const pixels = new Uint8Array(count * pixelBytes);
    let before = 0;
    let done = 0;
    for (const part of this.parts) {
      const first = Math.max(start + done - before, 0);
      const wanted = Math.min(count - done, part.labels.length - first);
      before += part.labels.length;
      if (wanted <= 0) continue;
      labels.set(part.labels.subarray(first, first + wanted), done);
      pixels.set(part.pixels.subarray(first * pixelBytes, (first + wanted) * pixelBytes), done * pixelBytes);
      done += wanted;
    }
    return Promise.resolve({ labels, pixels });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private pixelBytes(): number {
    const part = this.parts.find(({ labels }) => labels.length > 0);
    return part ? part.pixels.length / part.labels.length : 0;
  }
}
