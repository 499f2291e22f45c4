import { narrowBit, spikeBit, SpikeDifferences } from "./spikes";

/** Two spiking layers of two neurons, two time steps, one image; a cell per layer and time step. */
function compare(cells: readonly { layer: number; step: number; narrow: boolean }[]): SpikeDifferences {
  const differences = new SpikeDifferences(1, 2, 2);
  for (const layer of [0, 1]) {
    const reference = new Uint8Array(4).fill(spikeBit);
    const spikes = new Float32Array(4).fill(1);
    for (const cell of cells.filter((entry) => entry.layer === layer)) {
      spikes[2 * cell.step] = 0;
      if (cell.narrow) reference[2 * cell.step] = spikeBit | narrowBit;
    }
    differences.add(layer, reference, spikes, { first: 0, count: 1, pool: false });
  }
  return differences;
}

describe("the rule for spikes that differ", () => {
  test("no difference", () => {
    expect(compare([]).imagesWithout()).toEqual([0]);
  });

  test("one at the threshold is explained by rounding", () => {
    const differences = compare([{ layer: 0, step: 1, narrow: true }]);
    expect(differences.total).toBe(1);
    expect(differences.imagesWithout()).toEqual([]);
    expect(differences.unexplained()).toEqual([]);
  });

  test("one away from the threshold is explained by another one that it can follow from, and by nothing else", () => {
    const wide = { layer: 1, step: 1, narrow: false };
    expect(compare([wide]).unexplained()).toEqual([0]);
    expect(compare([wide, { layer: 0, step: 0, narrow: true }]).unexplained()).toEqual([]);
    expect(compare([wide, { layer: 0, step: 1, narrow: true }]).unexplained()).toEqual([]);
    expect(compare([wide, { layer: 1, step: 0, narrow: true }]).unexplained()).toEqual([]);
    const early = { layer: 1, step: 0, narrow: false };
    expect(compare([early, { layer: 0, step: 1, narrow: true }]).unexplained()).toEqual([0]);
  });

  test("a neuron away from the threshold is not excused by its neighbour at the same step", () => {
    const differences = new SpikeDifferences(1, 1, 1);
    const reference = Uint8Array.of(spikeBit, spikeBit | narrowBit);
    differences.add(0, reference, [0, 0], { first: 0, count: 1, pool: false });
    expect(differences.unexplained()).toEqual([0]);
  });
});
