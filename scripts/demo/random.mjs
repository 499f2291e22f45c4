// A counter-based generator for the demo's images: the numbers of an image depend on the seed, the split and the image's index
// alone, so that any image can be drawn again by itself, on any machine.
import { createHash } from "node:crypto";

const wordsPerBlock = 8;

/** Uniform numbers of [0, 1) on a grid of 2^-24, from SHA-256 of `name` and a counter. */
export function uniformStream(name) {
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
