import { createHash } from "node:crypto";
import type { LayerTrace } from "../../src/classifiers/network-classifier";

/** Bits of a byte in the `spikes` of a fixture. */
export const spikeBit = 1;
export const narrowBit = 2;

/** Where two runs of a network spike differently: per image, a cell for each layer and time step. */
export class SpikeDifferences {
  readonly #cells: Uint8Array;
  /** Spikes that differ, in all images. */
  total = 0;

  constructor(
    readonly images: number,
    private readonly layers: number,
    private readonly timesteps: number,
  ) {
    this.#cells = new Uint8Array(images * layers * timesteps);
  }

  /**
   * Compares one layer.
   *
   * @param reference [T, n, ...], bytes as in a fixture
   * @param spikes [T, n, ...]
   * @param first image of these within all
   * @param count n
   */
  add(
    layer: number,
    reference: Uint8Array,
    spikes: ArrayLike<number>,
    { first, count, pool }: { first: number; count: number; pool: boolean },
  ): void {
    const neurons = reference.length / (this.timesteps * count);
    for (let step = 0, i = 0; step < this.timesteps; step++) {
      for (let image = 0; image < count; image++) {
        const cell = ((first + image) * this.layers + layer) * this.timesteps + step;
        for (let neuron = 0; neuron < neurons; neuron++, i++) {
          const expected = reference[i] as number;
          if (pool) {
            // A pool has no threshold of its own: where it differs, spikes before it do.
            if (4 * (spikes[i] as number) !== expected) this.#mark(cell, true);
          } else if (spikes[i] !== (expected & spikeBit)) {
            this.total++;
            this.#mark(cell, (expected & narrowBit) !== 0);
          }
        }
      }
    }
  }

  /** Images on which every spike is the reference's. */
  imagesWithout(): number[] {
    return Array.from({ length: this.images }, (_, image) => image).filter(
      (image) => !this.#of(image).some((cell) => cell !== same),
    );
  }

  /**
   * Images on which a spike differs that no other difference explains, although the reference was not at the threshold. A
   * difference is explained if there is another one in the same or an earlier layer at the same or an earlier time step: only
   * from there does anything reach the neuron.
   */
  unexplained(): number[] {
    return Array.from({ length: this.images }, (_, image) => image).filter((image) => {
      const cells = this.#of(image);
      return cells.some(
        (cell, index) =>
          cell === wide &&
          !cells.some((other, at) => {
            const earlier = at % this.timesteps <= index % this.timesteps && at <= index;
            return other !== same && at !== index && earlier;
          }),
      );
    });
  }

  #mark(cell: number, atThreshold: boolean): void {
    if (!atThreshold) this.#cells[cell] = wide;
    else if (this.#cells[cell] === same) this.#cells[cell] = narrow;
  }

  #of(image: number): Uint8Array {
    const size = this.layers * this.timesteps;
    return this.#cells.subarray(image * size, (image + 1) * size);
  }
}

const same = 0;
/** Differences only where the reference has |u| < 1e-5. */
const narrow = 1;
const wide = 2;

/** [image][layer]: SHA-256 of the spikes, one byte each (of a pool, 4 times its output). */
export async function spikeHashes(traces: readonly LayerTrace[]): Promise<string[][]> {
  const hashes: string[][] = [];
  for (const { layer, output } of traces) {
    const [timesteps = 0, count = 0] = output.shape;
    const values = await output.data();
    const scale = layer.kind === "average-pool" ? 4 : 1;
    // A loop: Uint8Array.from calls back for each of hundreds of millions.
    const bytes = new Uint8Array(values.length);
    for (let i = 0; i < values.length; i++) bytes[i] = scale * (values[i] as number);
    for (let image = 0; image < count; image++) {
      const hash = createHash("sha256");
      for (let step = 0; step < timesteps; step++) {
        const start = (step * count + image) * layer.neurons;
        hash.update(bytes.subarray(start, start + layer.neurons));
      }
      (hashes[image] ??= []).push(hash.digest("hex"));
    }
  }
  return hashes;
}
