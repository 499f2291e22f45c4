import { fnv1a, seedWords } from "../attacks/random-start";
import { philox4x32, type Seed } from "../tensor/philox";

/** Random numbers of one purpose: those of Philox4x32-10, counted by (place, block, FNV-1a of the name, epoch). */
class Stream {
  private readonly key: readonly [number, number];
  private readonly stream: number;
  private readonly block = new Uint32Array(4);

  constructor(seed: Seed, name: string) {
    this.key = seedWords(seed);
    this.stream = fnv1a(name);
  }

  /** Four numbers of 32 bits; they change with the next call. */
  draw(place: number, epoch: number): Uint32Array {
    philox4x32(place, 0, this.stream, epoch, this.key[0], this.key[1], this.block);
    return this.block;
  }
}

/** A whole number below `bound`, of 32 random bits. */
function below(bits: number, bound: number): number {
  return Math.floor((bits * bound) / 2 ** 32);
}

/** The numbers 0 to `count` - 1 in an order that the seed, the name and the epoch decide (Fisher and Yates). */
function permutation(count: number, seed: Seed, name: string, epoch: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  const stream = new Stream(seed, name);
  for (let last = count - 1; last > 0; last--) {
    const other = below(stream.draw(last, epoch)[0] as number, last + 1);
    const moved = order[last] as number;
    order[last] = order[other] as number;
    order[other] = moved;
  }
  return order;
}

/** Which images of a set are fitted, and which are held out to measure the accuracy. */
export interface SplitIndices {
  readonly training: Uint32Array;
  readonly heldOut: Uint32Array;
}

/** Splits a set at random. Held out are the same images whatever the number of those to train on. */
export function splitIndices(images: number, heldOut: number, training: number, seed: Seed): SplitIndices {
  const order = permutation(images, seed, "held-out", 0);
  return {
    heldOut: order.slice(0, heldOut).sort(),
    training: order.slice(heldOut, heldOut + training).sort(),
  };
}

/** The order in which an epoch goes through the images. */
export function epochOrder(training: Uint32Array, seed: Seed, epoch: number): Uint32Array {
  return permutation(training.length, seed, "order", epoch).map((place) => training[place] as number);
}

/** How images are varied in training. */
export interface Augmentation {
  /** Pixels of black around the image, out of which a crop of its size is taken at random; 0 for none. */
  readonly cropPadding: number;
  /** Whether it is mirrored with a probability of one half. */
  readonly flip: boolean;
}

/**
 * Varies images of a batch in place: torchvision's RandomCrop with padding, then RandomHorizontalFlip, with random numbers that the
 * seed, the sample and the epoch decide alone.
 *
 * @param images [N, C, H, W]
 * @param samples their indices in the data set
 */
export function augment(
  images: Float32Array,
  [channels, height, width]: readonly [number, number, number],
  samples: Uint32Array,
  { cropPadding, flip }: Augmentation,
  seed: Seed,
  epoch: number,
): void {
  if (cropPadding === 0 && !flip) return;
  const stream = new Stream(seed, "augmentation");
  const size = channels * height * width;
  const choices = 2 * cropPadding + 1;
  samples.forEach((sample, index) => {
    const [first = 0, second = 0, third = 0] = stream.draw(sample, epoch);
    const down = below(first, choices) - cropPadding;
    const right = below(second, choices) - cropPadding;
    const mirrored = flip && third >= 2 ** 31;
    const image = images.subarray(index * size, (index + 1) * size);
    const from = image.slice();
    for (let row = 0; row < channels * height; row++) {
      const y = (row % height) + down;
      const start = Math.floor(row / height) * height * width + y * width;
      for (let column = 0; column < width; column++) {
        const x = (mirrored ? width - 1 - column : column) + right;
        const inside = y >= 0 && y < height && x >= 0 && x < width;
        image[row * width + column] = inside ? (from[start + x] as number) : 0;
      }
    }
  });
}
