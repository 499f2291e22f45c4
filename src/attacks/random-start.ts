import { setImmediate } from "node:timers/promises";
import { HireSnnError } from "../errors";
import { fnv1a, philox4x32, seedWords, type Seed } from "../tensor/philox";

export { fnv1a, seedWords };

/** Which random numbers to draw. Neither the model nor epsilon is part of the key: see {@link uniformStart}. */
export interface RandomStream {
  readonly seed: Seed;
  /** The attack's name; each attack draws from its own stream. */
  readonly name: string;
  /** Which restart of the attack; 0 for the first or only run. */
  readonly restart: number;
}

/** Samples drawn between two turns of the event loop: a few milliseconds for images of 32 x 32. */
const samplesPerTurn = 8;

/**
 * Random perturbations, uniform in [-epsilon, epsilon), that depend on the seed, the sample, the attack and the restart alone.
 * Batching, sharding and resuming therefore change nothing, two models are attacked from the same starting points, and the
 * starting points at two epsilons are multiples of each other.
 *
 * The numbers come from Philox4x32-10: key = the 64-bit seed (low word, high word), counter = (sample index, element / 4, FNV-1a
 * of the attack's name, restart), and the element's lane is element % 4. With x the 32-bit number, u = (x >>> 8) * 2^-24 and the
 * perturbation is float32((2u - 1) * epsilon), epsilon rounded to float32 first. Since 2u - 1 is a float32 itself, that is also
 * what a float32 multiplication gives.
 *
 * @param sampleIndices the samples' indices in their data set, from 0 to 2^32 - 1
 * @param elements numbers per sample (C x H x W)
 * @param epsilon in pixel units, finite, at least 0
 * @returns [N][element], row-major
 * @throws HireSnnError INVALID_ARGUMENT if the seed, restart or a sample index is out of range
 */
export async function uniformStart(
  sampleIndices: ArrayLike<number>,
  elements: number,
  epsilon: number,
  stream: RandomStream,
): Promise<Float32Array> {
  const [key0, key1] = seedWords(stream.seed);
  const streamId = fnv1a(stream.name);
  const restart = checkUint32(stream.restart, "restart");
  const radius = Math.fround(epsilon);
  const start = new Float32Array(sampleIndices.length * elements);
  const block = new Uint32Array(4);
  for (let row = 0; row < sampleIndices.length; row++) {
    const sample = checkUint32(sampleIndices[row] as number, `sampleIndices[${row}]`);
    for (let element = 0; element < elements; element += 4) {
      philox4x32(sample, element / 4, streamId, restart, key0, key1, block);
      const lanes = Math.min(4, elements - element);
      for (let lane = 0; lane < lanes; lane++) {
        const uniform = ((block[lane] as number) >>> 8) * 2 ** -24;
        start[row * elements + element + lane] = (2 * uniform - 1) * radius;
      }
    }
    if (row % samplesPerTurn === samplesPerTurn - 1) await setImmediate();
  }
  return start;
}

function checkUint32(value: number, name: string): number {
  if (Number.isInteger(value) && value >= 0 && value <= 0xffffffff) return value;
  throw new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected an integer from 0 to 2^32 - 1 for ${name} but received ${value}`,
  );
}
