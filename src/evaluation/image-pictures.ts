import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { HireSnnError } from "../errors";
import { imageFileName } from "./adversarial-images";
import { writeDurably } from "./durable-file";
import type { ResultKey } from "./results";
import type { SampleRange } from "./shard";

/** The folder of a run's pictures, in the run's: one folder for each sample. */
export const picturesFolder = "png";

/**
 * Pictures of a few samples for people, as PNG: `png/SAMPLE/clean.png`, and of each attack and access `ATTACK-ACCESS.png` and
 * `ATTACK-ACCESS-perturbation.png`, which is mid-grey where nothing changed, black at -epsilon and white at epsilon. PNG rounds to 8
 * bits: figures come from the images themselves.
 */
export class ImagePictures {
  /**
   * @param runFolder where the pictures' folder is made
   * @param imageShape [C, H, W] with 1 or 3 channels
   * @param samples indices in the data set
   * @throws HireSnnError INVALID_ARGUMENT for images that are no pictures
   */
  constructor(
    private readonly runFolder: string,
    private readonly imageShape: readonly [number, number, number],
    private readonly samples: readonly number[],
  ) {
    const [channels] = imageShape;
    if (channels === 1 || channels === 3 || samples.length === 0) return;
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected images of 1 or 3 channels to make pictures of but received ${channels}`,
    );
  }

  /** Whether a batch has one of the samples. */
  wants(firstSample: number, count: number): boolean {
    return this.samples.some((sample) => sample >= firstSample && sample < firstSample + count);
  }

  /** Of the samples of a range that pictures are wanted of, those whose pictures are not all there. */
  async missing({ begin, end }: SampleRange, keys: readonly ResultKey[]): Promise<number[]> {
    const names = keys.flatMap(({ attack, access }) => {
      if (access === "none") return ["clean"];
      const name = imageFileName(attack, access);
      return [name, `${name}-perturbation`];
    });
    const missing: number[] = [];
    for (const sample of this.samples.filter((each) => each >= begin && each < end)) {
      const paths = names.map((name) => join(this.folderOf(sample), `${name}.png`));
      const found = await Promise.all(paths.map((path) => stat(path).catch(() => undefined)));
      if (found.includes(undefined)) missing.push(sample);
    }
    return missing;
  }

  /** @param images [N, C, H, W] of consecutive samples, clean */
  async putClean(images: Float32Array, firstSample: number): Promise<void> {
    for (const [sample, image] of this.chosen(images, firstSample)) await this.write(sample, "clean", image);
  }

  /**
   * @param images [N, C, H, W] of consecutive samples, clean
   * @param adversarial the same under an attack
   * @param attack its id, access and radius
   */
  async putAttacked(
    images: Float32Array,
    adversarial: Float32Array,
    firstSample: number,
    { id, access, epsilon }: { id: string; access: string; epsilon: number },
  ): Promise<void> {
    const name = imageFileName(id, access);
    const clean = new Map(this.chosen(images, firstSample));
    for (const [sample, image] of this.chosen(adversarial, firstSample)) {
      const before = clean.get(sample);
      const change = image.map((value, i) => 0.5 + (value - (before?.[i] ?? 0)) / (2 * (epsilon || 1)));
      await this.write(sample, name, image);
      await this.write(sample, `${name}-perturbation`, change);
    }
  }

  private chosen(images: Float32Array, firstSample: number): [sample: number, image: Float32Array][] {
    const size = this.imageShape.reduce((product, length) => product * length, 1);
    return this.samples
      .filter((sample) => sample >= firstSample && (sample - firstSample) * size < images.length)
      .map((sample) => {
        const begin = (sample - firstSample) * size;
        return [sample, images.subarray(begin, begin + size)];
      });
  }

  /** @param image [C, H, W] in [0, 1] */
  private async write(sample: number, name: string, image: Float32Array): Promise<void> {
    const [channels, height, width] = this.imageShape;
    const bytes = new Uint8Array(image.length);
    for (let pixel = 0; pixel < height * width; pixel++) {
      for (let c = 0; c < channels; c++) {
        const value = Math.min(1, Math.max(0, image[c * height * width + pixel] ?? 0));
        bytes[pixel * channels + c] = Math.round(255 * value);
      }
    }
    const folder = this.folderOf(sample);
    await mkdir(folder, { recursive: true });
    // Not at the top: its native code is for those who ask for pictures.
    const { default: sharp } = await import("sharp");
    const picture = await sharp(bytes, { raw: { width, height, channels: channels as 1 | 3 } })
      .png()
      .toBuffer();
    // The ledger will say that the sample is finished: its pictures have to be there then.
    await writeDurably(folder, `${name}.png`, picture);
  }

  private folderOf(sample: number): string {
    return join(this.runFolder, picturesFolder, String(sample));
  }
}
