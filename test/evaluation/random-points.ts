import type { Dataset } from "../../src/datasets/dataset";
import { numbers } from "../classifiers/small-networks";

/** Random points of two pixels in two classes: the brighter pixel is the class, but for some. */
export function randomPoints(length: number): Dataset {
  const next = numbers(7);
  const points = Array.from({ length }, () => [next(), next(), next()] as const);
  return {
    ...{ name: "points", split: "test", classes: ["a", "b"], length, imageShape: [1, 1, 2] },
    ...{ mean: [0], std: [1], files: [], sha256: `points ${length}` },
    read: (start, count) => {
      const chosen = points.slice(start, start + count);
      return Promise.resolve({
        images: Float32Array.from(chosen.flatMap(([x, y]) => [x, y])),
        labels: Int32Array.from(chosen.map(([x, y, z]) => (x > y !== z > 0.8 ? 0 : 1))),
        start,
      });
    },
    close: () => Promise.resolve(),
  };
}
