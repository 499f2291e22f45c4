import fc from "fast-check";
import { measuredActivity, spikingModel, syntheticActivity } from "../../src/energy/activity";
import { equivalentBits } from "../../src/energy/baselines";
import { compareEnergies, type EnergyComparison } from "../../src/energy/compare-energies";
import { conventions, operationsUnder, type Convention } from "../../src/energy/conventions";
import { layerTable } from "../../src/energy/layer-table";
import { accessEnergy } from "../../src/energy/memory";
import { multiplyAccumulate, presetNames, presets } from "../../src/energy/presets";
import { connectionsOf, macsOfConnection } from "../../src/networks/connections";
import { macsPerTimestep } from "../../src/networks/layer-sizes";
import { smallResidualNetwork } from "../classifiers/small-networks";
import { vgg } from "./models";

const vgg11 = spikingModel(vgg("VGG11"), 8);

function energiesOf({ energies }: EnergyComparison, kind: string): Record<string, number> {
  return Object.fromEntries(
    energies
      .filter((each) => each.kind === kind)
      .map(({ id, picojoules: [energy] }) => [id, energy as number]),
  );
}

/** To the digits of a table in mJ. */
function millijoules(picojoules: number | undefined): string {
  return ((picojoules as number) * 1e-9).toFixed(2);
}

describe("MACs of one dense pass", () => {
  test.each([
    ["VGG5", 109_133_824],
    ["VGG11", 599_867_392],
  ])("%s: %d", (name, macs) => {
    const network = vgg(name);
    const sum = connectionsOf(network).reduce((total, each) => total + macsOfConnection(each, "padded"), 0);
    expect(sum).toBe(macs);
    expect(sum).toBe(macsPerTimestep(network));
  });
});

describe("VGG11 at 8 time steps, fp32, padded", () => {
  // In the order of the conventions.
  test.each([
    [0.05, ["0.22", "0.28", "0.35", "0.41", "0.42", "1.13", "5.09"]],
    [0.1, ["0.44", "0.50", "0.67", "0.73", "0.78", "2.07", "5.26"]],
    [0.2, ["0.87", "0.93", "1.24", "1.30", "1.50", "3.61", "5.60"]],
  ])("all neurons at rate %d: the known mJ under every convention", (rate, expected) => {
    const comparison = compareEnergies([syntheticActivity(vgg11, rate)]);
    const found = conventions.map(({ id }) => millijoules(energiesOf(comparison, "compute")[id]));
    expect(found).toEqual(expected);
    const ann = comparison.baselines.find(({ id }) => id === "ann");
    expect(millijoules(ann?.picojoules)).toBe("2.76");
    expect(comparison).toMatchObject({ timesteps: 8, borders: "padded", preset: { name: "fp32" } });
  });

  test("every figure stands beside its convention, its source and its baseline", () => {
    const { energies, baselines } = compareEnergies([syntheticActivity(vgg11, 0.05)]);
    const ids = [...energies, ...baselines].map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { label, definition, source } of [...energies, ...baselines]) {
      expect([label, definition, source].every((text) => text.length > 2)).toBe(true);
    }
    for (const { baseline } of energies) expect(baselines.map(({ id }) => id)).toContain(baseline);
  });

  test("with memory it breaks even with the ANN between 6.5 and 7 % per event, near 10 % output-stationary", () => {
    const { energies } = compareEnergies([syntheticActivity(vgg11, 0.05)]);
    const rateOf = (wanted: string) => energies.find(({ id }) => id === wanted)?.breakEvenRate as number;
    expect(rateOf("memory-per-event")).toBeGreaterThan(0.065);
    expect(rateOf("memory-per-event")).toBeLessThan(0.07);
    expect(rateOf("memory-output-stationary")).toBeGreaterThan(0.095);
    expect(rateOf("memory-output-stationary")).toBeLessThan(0.11);
  });
});

describe("presets", () => {
  test.each([
    ["fp32", 4.6, 0.9],
    ["int32", 3.2, 0.1],
    ["fp16", 1.5, 0.4],
    ["int8", 0.23, 0.03],
  ] as const)("%s: a MAC takes %d pJ, an addition %d", (name, mac, add) => {
    expect(multiplyAccumulate(presets[name])).toBeCloseTo(mac, 12);
    expect(presets[name].add).toBe(add);
  });

  test("decide compute energy by MACs and ACs alone", () => {
    const activity = syntheticActivity(vgg11, 0.07);
    for (const preset of presetNames) {
      const found = energiesOf(compareEnergies([activity], { preset }), "compute");
      for (const convention of conventions) {
        const { macs, acs } = operationsUnder(convention, activity, "padded") ?? { macs: NaN, acs: NaN };
        const expected = macs * multiplyAccumulate(presets[preset]) + acs * presets[preset].add;
        expect(found[convention.id]).toBeCloseTo(expected, 3);
      }
    }
  });
});

describe("a network worked out by hand", () => {
  // One channel of 4x4, a 3x3 convolution to two channels, a pool, a 3x3 convolution on 2x2 to one channel, two classes.
  const model = spikingModel(
    {
      layers: [
        layer("conv", "conv1", [1, 4, 4], [2, 4, 4]),
        { kind: "average-pool", name: "pool1", inputShape: [2, 4, 4], outputShape: [2, 2, 2] },
        layer("conv", "conv2", [2, 2, 2], [1, 2, 2]),
        {
          kind: "output",
          name: "output",
          inputShape: [1, 2, 2],
          outputShape: [2, 1, 1],
          keys: { weight: "" },
        },
      ],
      ...{ name: "by hand", classes: 2, inputShape: [1, 4, 4] },
    },
    2,
  );
  // In two time steps conv1 fires 6 times, in two windows of the pool (5 and 1), and conv2 3 times. Each output of the pool reaches
  // all 4 pixels of conv2, each spike of conv2 both classes.
  const activity = measuredActivity(model, {
    spikes: [6, 2, 3],
    operations: [
      [8, 24],
      [6, 6],
    ],
  });

  // MACs of a pass: 9 * 16 * 2 = 288 padded, 100 * 2 = 200 inside; 9 * 4 * 2 = 72 padded, 16 * 2 = 32 inside; 4 * 2 = 8.
  test.each([
    // The rate before the pool is 6 / (2 * 32), after it 2 / (2 * 8), of conv2 3 / (2 * 4).
    ["paper-rate-once", { macs: 288, acs: (6 / 64) * 144 + 6 }, { macs: 200, acs: 24 / 4 + 6 }],
    ["paper-rate-each-step", { macs: 576, acs: (6 / 64) * 144 + 6 }, { macs: 400, acs: 24 / 4 + 6 }],
    ["paper-pool-once", { macs: 288, acs: (2 / 16) * 144 + 6 }, { macs: 200, acs: 8 + 6 }],
    ["paper-pool-each-step", { macs: 576, acs: (2 / 16) * 144 + 6 }, { macs: 400, acs: 8 + 6 }],
    ["sinabs", { macs: 576, acs: 4 * (6 / 64) * 144 + 6 }, { macs: 400, acs: 24 + 6 }],
    ["neurobench", { macs: 576 + (2 / 16) * 144, acs: 6 }, { macs: 400 + 8, acs: 6 }],
    ["syops", { macs: 576 + 144, acs: 6 }, { macs: 400 + 64, acs: 6 }],
  ])("%s", (id, padded, exact) => {
    const convention = conventions.find((each) => each.id === id) as Convention;
    expect(operationsUnder(convention, activity, "padded")).toEqual(padded);
    expect(operationsUnder(convention, activity, "exact")).toEqual(exact);
  });

  test("its table", () => {
    expect(layerTable(activity)).toEqual([
      {
        ...{ name: "conv1", neurons: 32, spikes: 6, rate: 6 / 64, membraneUpdates: 64 },
        weights: {
          ...{ nonZeroInputs: 32, padded: 576, exact: 400, denseMacs: 288 },
          ...{ effectiveMacs: 400, effectiveAcs: 0 },
        },
      },
      { name: "pool1", neurons: 8, spikes: 2, rate: 2 / 16 },
      {
        ...{ name: "conv2", neurons: 4, spikes: 3, rate: 3 / 8, membraneUpdates: 8 },
        weights: {
          ...{ nonZeroInputs: 2, padded: 18, exact: 8, denseMacs: 72 },
          ...{ effectiveMacs: 8, effectiveAcs: 0 },
        },
      },
      {
        name: "output",
        weights: {
          ...{ nonZeroInputs: 3, padded: 6, exact: 6, denseMacs: 8 },
          ...{ effectiveMacs: 0, effectiveAcs: 6 },
        },
      },
    ]);
  });

  test("with memory: everything fits 8 KB, so that an access takes 10 pJ", () => {
    const { energies, baselines } = compareEnergies([activity], { preset: "int8", borders: "exact" });
    const [mac, add, multiply] = [0.23, 0.03, 0.2];
    // 400 MACs of the image; 14 synaptic operations of 5 events, of which 2 at a convolution; 38 outputs x 2 steps read and written;
    // neurons: 36 x 2 steps of leak and threshold, 9 spikes of conv1 and conv2.
    const image = 400 * (mac + 20);
    const events = 14 * (add + 10) + 5 * 10 + 14 * add + 2 * 2 * multiply;
    const neurons = 72 * (mac + add) + 9 * (add + 10);
    const stationary = image + events + 38 * 2 * 20 + neurons;
    const energy = (wanted: string) => energies.find(({ id }) => id === wanted)?.picojoules[0];
    expect(energy("memory-output-stationary")).toBeCloseTo(stationary, 9);
    expect(energy("memory-per-event")).toBeCloseTo(stationary + 14 * 20, 9);
    // 200 + 32 + 8 MACs, each with two reads, and 38 outputs.
    const ann = baselines.find(({ id }) => id === "ann-memory");
    expect(ann?.picojoules).toBeCloseTo(240 * (mac + 20) + 38 * 10, 9);
    // T x MACs of the image and 14 operations.
    expect(energy("chip-loihi")).toBeCloseTo((400 + 14) * 23.6, 9);
  });

  test("counts that do not fit the model are refused", () => {
    expect(() => measuredActivity(model, { spikes: [6, 2] })).toThrow("Expected 3 spikes but received 2");
    expect(() => measuredActivity(model, { spikes: [6, 2, 3], operations: [[8, 24]] })).toThrow(
      "Expected 2 operations but received 1",
    );
    expect(() => measuredActivity(model, { spikes: [65, 2, 3] })).toThrow(
      "Expected a rate from 0 to 1 for the layer conv1",
    );
    expect(() => syntheticActivity(model, [0.1])).toThrow("Expected 2 rates but received 1");
    expect(() => compareEnergies([])).toThrow("Expected at least one activity");
    expect(() =>
      compareEnergies([measuredActivity(model, { spikes: [6, 2, 3] })], { borders: "exact" }),
    ).toThrow("padded counts need none");
    expect(() => compareEnergies([activity], { annZeros: 2 })).toThrow("share from 0 to 1");
  });
});

function layer(
  kind: "conv",
  name: string,
  inputShape: [number, number, number],
  outputShape: [number, number, number],
) {
  return {
    kind,
    name,
    inputShape,
    outputShape,
    kernel: 3,
    keys: { weight: "", threshold: "", leak: "" },
  } as const;
}

describe("of any rate", () => {
  const residual = spikingModel(smallResidualNetwork([3, 11, 13], 4, 6), 5);
  const models = [vgg11, spikingModel(vgg("VGG5"), 3), residual];
  const anyModel = fc.constantFrom(...models);
  const anyBorders = fc.constantFrom("padded" as const, "exact" as const);
  const anyRate = fc.double({ min: 0, max: 1, noNaN: true });
  const anyConvention = fc.constantFrom(...conventions);

  test("energies do not fall as neurons fire more", () => {
    const property = fc.property(anyModel, anyBorders, anyRate, anyRate, (model, borders, a, b) => {
      const [less, more] = [Math.min(a, b), Math.max(a, b)].map((rate) => syntheticActivity(model, rate));
      const { energies } = compareEnergies([less, more] as [typeof less & {}, typeof more & {}], { borders });
      for (const { picojoules } of energies) {
        expect(picojoules[1]).toBeGreaterThanOrEqual((picojoules[0] as number) * (1 - 1e-12));
      }
    });
    fc.assert(property, { numRuns: 20 });
  });

  test("at rate 0 only the image, and what a convention makes dense, takes operations", () => {
    fc.assert(
      fc.property(anyModel, anyBorders, anyConvention, (model, borders, convention) => {
        const operations = operationsUnder(convention, syntheticActivity(model, 0), borders);
        const dense = model.connections.map((each) => macsOfConnection(each, borders));
        const image = (dense[0] as number) * (convention.id.endsWith("once") ? 1 : model.timesteps);
        const pooled = dense.filter((_, i) => (model.connections[i]?.pools ?? 0) > 0);
        const behindPools = convention.id === "syops" ? pooled.reduce((sum, macs) => sum + macs, 0) : 0;
        expect(operations).toEqual({ macs: image + model.timesteps * behindPools, acs: 0 });
      }),
    );
  });

  test("at rate 1 every operation of T dense passes takes place; Sinabs counts four spikes for a pooled input", () => {
    fc.assert(
      fc.property(anyModel, anyBorders, anyConvention, (model, borders, convention) => {
        const { macs, acs } = operationsUnder(convention, syntheticActivity(model, 1), borders) ?? {
          macs: 0,
          acs: 0,
        };
        const dense = model.connections.map((each) => macsOfConnection(each, borders));
        const once = convention.id.endsWith("once") ? (model.timesteps - 1) * (dense[0] as number) : 0;
        const weight = (i: number) =>
          convention.id === "sinabs" ? 4 ** (model.connections[i]?.pools ?? 0) : 1;
        const all = dense.reduce((sum, each, i) => sum + each * weight(i), 0) * model.timesteps;
        expect(macs + acs).toBe(all - once);
      }),
    );
  });

  test("at the break-even rate a network takes what its baseline does", () => {
    const property = fc.property(anyModel, anyBorders, (model, borders) => {
      const { energies, baselines } = compareEnergies([syntheticActivity(model, 0.1)], { borders });
      for (const [i, { breakEvenRate, baseline }] of energies.entries()) {
        const target = baselines.find(({ id }) => id === baseline)?.picojoules as number;
        const at = (rate: number) =>
          compareEnergies([syntheticActivity(model, rate)], { borders }).energies[i]?.picojoules[0] as number;
        if (breakEvenRate === "never") expect(at(0)).toBeGreaterThanOrEqual(target);
        else if (breakEvenRate === "always") expect(at(1)).toBeLessThan(target);
        else expect(at(breakEvenRate) / target).toBeCloseTo(1, 8);
      }
    });
    fc.assert(property, { numRuns: 6 });
  });

  test("exact counts are at most padded ones, and equal where no map has a border", () => {
    const linear = spikingModel({ ...vgg("VGG5"), layers: vgg("VGG5").layers.slice(-3) }, 4);
    for (const { padded, exact } of syntheticActivity(vgg11, 0.1).connections) {
      expect(exact?.byNonZero).toBeLessThanOrEqual(padded.byNonZero);
    }
    for (const { padded, exact } of syntheticActivity(linear, 0.1).connections) expect(exact).toEqual(padded);
  });
});

describe("an access of SRAM", () => {
  test.each([
    [100, 10],
    [8192, 10],
    [20480, 15],
    [32768, 20],
    [540672, 60],
    [1048576, 100],
    [1e9, 100],
  ])("%d bytes: %d pJ", (bytes, picojoules) => {
    expect(accessEnergy(bytes)).toBeCloseTo(picojoules, 9);
  });
});

test.each([
  [1, 1],
  [3, 2],
  [4, 3],
  [7, 3],
  [8, 4],
  [15, 4],
])("%d time steps tell as much apart as %d bits", (timesteps, bits) => {
  expect(equivalentBits(timesteps)).toBe(bits);
});
