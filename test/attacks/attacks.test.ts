import type { Attack } from "../../src/attacks/attack";
import { fgsm, fgsmAttack } from "../../src/attacks/fgsm";
import { hirePreset } from "../../src/attacks/hire-preset";
import { pgd, pgdAttack } from "../../src/attacks/pgd";
import { uniformStart } from "../../src/attacks/random-start";
import type { HireSnnError } from "../../src/errors";
import { Tensor } from "../../src/tensor/tensor";
import { goldenClassifier, goldenImages, linearModel, PlainClassifier } from "./closed-form";

const labels = [4, 4, 4, 4, 4, 5];
const refusal = (message: string | RegExp, code = "INVALID_ARGUMENT"): Partial<HireSnnError> => ({
  code: code as HireSnnError["code"],
  message: expect.stringMatching(message) as string,
});

/** The golden images in float32. */
function images32(): Tensor {
  using images = goldenImages();
  return images.to("float32");
}

async function run(attack: Attack, images: Tensor, seed = 0): Promise<Float32Array> {
  const result = await attack.run(goldenClassifier(), images, labels, { seed });
  using adversarial = result.images;
  return (await adversarial.data()) as Float32Array;
}

const attacks = (epsilon: number): Attack[] => [
  fgsmAttack({ epsilon }),
  pgdAttack({ epsilon, steps: 5, stepSize: 0.02 }),
  pgdAttack({ epsilon, steps: 5, stepSize: 0.02, randomStart: false }),
];

describe.each(["fgsm", "pgd", "pgd without random start"])("%s", (name) => {
  const index = ["fgsm", "pgd", "pgd without random start"].indexOf(name);
  const attackAt = (epsilon: number): Attack => attacks(epsilon)[index] as Attack;

  test("with epsilon 0 gives the images back, bit for bit", async () => {
    using images = images32();
    expect(await run(attackAt(0), images)).toEqual(await images.data());
  });

  test("stays within the radius and the box, and leaves its input alone", async () => {
    using images = images32();
    const clean = await images.data();
    const adversarial = await run(attackAt(0.1), images);
    expect(await images.data()).toEqual(clean);
    expect(adversarial.every((pixel) => pixel >= 0 && pixel <= 1)).toBe(true);
    // Pixels of the set reach 0.95 and 0.05, so that the box cuts.
    expect(adversarial.some((pixel) => pixel === 0 || pixel === 1)).toBe(true);
    const largest = Math.max(...adversarial.map((pixel, i) => Math.abs(pixel - (clean[i] as number))));
    expect(largest).toBeLessThanOrEqual(0.1 * (1 + 1e-6) + 1e-7);
    expect(largest).toBeGreaterThan(0.099);
  });

  test("gives a sample the same bits in every batch", async () => {
    using images = images32();
    const together = await run(attackAt(0.05), images);
    for (let sample = 0; sample < 6; sample++) {
      using one = images.rows(sample, sample + 1);
      const result = await attackAt(0.05).run(goldenClassifier(), one, [labels[sample] as number], {
        sampleIndices: [sample],
      });
      using alone = result.images;
      expect(await alone.data()).toEqual(together.slice(sample * 48, (sample + 1) * 48));
    }
  });

  test("counts the steps without a gradient, and moves nothing by them", async () => {
    // The second class's weights are zero and the image of all zeros has no pixel to lower: only constant logits remain silent.
    const silent = new PlainClassifier(2, [1, 1, 2], () => ({ logits: [1, 1], backward: () => [0, 0] }));
    using images = Tensor.from(Float32Array.of(0.2, 0.4, 0.6, 0.8), [2, 1, 1, 2]);
    const attack = attackAt(0.1);
    const result = await attack.run(silent, images, [0, 1]);
    using adversarial = result.images;
    expect(Array.from(result.zeroGradientSteps)).toEqual([attack.steps, attack.steps]);
    if (name !== "pgd") expect(await adversarial.data()).toEqual(await images.data());
  });

  test.each([Number.NaN, Infinity])("refuses a gradient with %d", async (value) => {
    const broken = new PlainClassifier(2, [1, 1, 2], () => ({ logits: [1, 2], backward: () => [0, value] }));
    using images = Tensor.from(Float32Array.of(0.2, 0.4), [1, 1, 1, 2]);
    await expect(attackAt(0.1).run(broken, images, [0])).rejects.toMatchObject(
      refusal("finite input gradient from plain", "INVALID_RESULT"),
    );
  });

  test("stops when its signal says so", async () => {
    using images = images32();
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    await expect(attackAt(0.1).run(goldenClassifier(), images, labels, { signal })).rejects.toBe(reason);
  });

  test("tells of each step", async () => {
    using images = images32();
    const told: [number, number][] = [];
    const attack = attackAt(0.1);
    const result = await attack.run(goldenClassifier(), images, labels, {
      onStep: (...step) => told.push(step),
    });
    result.images.dispose();
    expect(told).toEqual(Array.from({ length: attack.steps }, (_, i) => [i + 1, attack.steps]));
  });

  test("refuses images and labels that do not fit", async () => {
    using images = images32();
    const attack = attackAt(0.1);
    const with_ = (tensor: Tensor, given: number[]): Promise<unknown> =>
      attack.run(goldenClassifier(), tensor, given);
    await expect(with_(images, [0])).rejects.toMatchObject(
      refusal("6 labels, one per image, but received 1"),
    );
    await expect(with_(images, [0, 1, 2, 6, 1, 1])).rejects.toMatchObject(
      refusal(/labels\[3\] but received 6/),
    );
    await expect(with_(images, [0, 1, 2, 0.5, 1, 1])).rejects.toMatchObject(refusal(/labels\[3\]/));
    using outside = images.add(0.2);
    await expect(with_(outside, labels)).rejects.toMatchObject(refusal("pixels from 0 to 1"));
    using nan = Tensor.from(new Float32Array(48).fill(Number.NaN), [1, 3, 4, 4]);
    await expect(with_(nan, [0])).rejects.toMatchObject(refusal("not a number"));
    using flat = Tensor.from(new Float32Array(48), [1, 48]);
    await expect(with_(flat, [0])).rejects.toMatchObject(refusal(/\[N, 3, 4, 4\].*received \[1, 48\]/));
    using whole = images.to("int32");
    await expect(with_(whole, labels)).rejects.toMatchObject(refusal("int32"));
  });
});

describe("FGSM on a linear model", () => {
  const weights = [
    [1, -2, 0.5, 0],
    [-1, 1, 0.25, 0],
  ];
  const classifier = new PlainClassifier(2, [1, 2, 2], linearModel(weights));

  test("is the exact worst case: the margin drops by epsilon times the 1-norm of the weights' difference", async () => {
    const image = Float64Array.of(0.5, 0.4, 0.3, 0.6);
    using images = Tensor.from(image, [1, 1, 2, 2]);
    const { images: adversarial } = await fgsm(classifier, images, [0], { epsilon: 0.1 });
    const data = await adversarial.data();
    adversarial.dispose();
    const margin = (x: ArrayLike<number>): number =>
      weights[0]!.reduce((sum, weight, d) => sum + (weight - weights[1]![d]!) * (x[d] as number), 0);
    expect(margin(image) - margin(data)).toBeCloseTo(0.1 * (2 + 3 + 0.25), 12);
    // sign(0) = 0: a pixel without influence stays.
    expect(data[3]).toBe(0.6);
  });

  test("the box takes its part", async () => {
    using images = Tensor.from(Float64Array.of(0.05, 1, 0, 0), [1, 1, 2, 2]);
    const { images: adversarial } = await fgsm(classifier, images, [0], { epsilon: 0.1 });
    expect(Array.from(await adversarial.data())).toEqual([0, 1, 0, 0]);
    adversarial.dispose();
  });
});

describe("PGD", () => {
  test("starts at the drawn point, clamped to the box", async () => {
    // A gradient of zero leaves the start where it is, but for the projection, which it is within.
    const silent = new PlainClassifier(2, [1, 1, 3], () => ({ logits: [0, 0], backward: () => [0, 0, 0] }));
    using images = Tensor.from(Float32Array.of(0, 0.5, 1), [1, 1, 1, 3]);
    const result = await pgd(silent, images, [0], {
      ...{ epsilon: 0.1, steps: 1, stepSize: 0.01, seed: 5, sampleIndices: [42], restart: 2 },
    });
    using adversarial = result.images;
    const start = await uniformStart([42], 3, 0.1, { seed: 5, name: "pgd", restart: 2 });
    const expected = [0, 0.5, 1].map((pixel, i) =>
      Math.min(1, Math.max(0, Math.fround(pixel + (start[i] as number)))),
    );
    expect(Array.from(await adversarial.data())).toEqual(expected);
  });

  test("returns the last iterate, and projects it on the ball", async () => {
    const classifier = new PlainClassifier(
      2,
      [1, 1, 2],
      linearModel([
        [1, -1],
        [-1, 1],
      ]),
    );
    using images = Tensor.from(Float64Array.of(0.5, 0.5), [1, 1, 1, 2]);
    const after = async (steps: number): Promise<number[]> => {
      const result = await pgd(classifier, images, [0], {
        epsilon: 0.1,
        steps,
        stepSize: 0.03,
        randomStart: false,
      });
      using adversarial = result.images;
      return Array.from(await adversarial.data());
    };
    expect((await after(2)).map((pixel) => pixel.toFixed(12))).toEqual(["0.440000000000", "0.560000000000"]);
    expect(await after(9)).toEqual([0.5 - 0.1, 0.5 + 0.1]);
  });

  test("takes one gradient a step of each image", async () => {
    const classifier = goldenClassifier();
    using images = goldenImages();
    const result = await pgd(classifier, images, labels, { epsilon: 0.1, steps: 4, stepSize: 0.1 });
    result.images.dispose();
    expect(classifier.gradients).toBe(4 * 6);
  });

  test("another seed starts elsewhere", async () => {
    using images = images32();
    const attack = pgdAttack({ epsilon: 0.1, steps: 1, stepSize: 0.001 });
    expect(await run(attack, images, 1)).not.toEqual(await run(attack, images, 0));
  });

  test.each([
    [{ steps: 0 }, "steps"],
    [{ steps: 1.5 }, "steps"],
    [{ stepSize: 0 }, "stepSize"],
    [{ stepSize: Number.NaN }, "stepSize"],
    [{ epsilon: -0.1 }, "epsilon"],
    [{ epsilon: Number.NaN }, "epsilon"],
    [{ epsilon: undefined as unknown as number }, "epsilon"],
  ])("refuses %j", (wrong, name) => {
    expect(() => pgdAttack({ epsilon: 0.1, steps: 1, stepSize: 0.1, ...wrong })).toThrow(`for ${name}`);
  });

  test("refuses sample indices that do not fit", async () => {
    using images = images32();
    const parameters = { epsilon: 0.1, steps: 1, stepSize: 0.1 };
    await expect(
      pgd(goldenClassifier(), images, labels, { ...parameters, sampleIndices: [1] }),
    ).rejects.toMatchObject(refusal("6 sampleIndices"));
  });
});

test("the hire preset is the original's", () => {
  expect(hirePreset().map(({ name, parameters }) => [name, parameters])).toEqual([
    ["fgsm", { epsilon: 0.031 }],
    ["pgd", { epsilon: 0.031, steps: 7, stepSize: 0.01, randomStart: true }],
  ]);
});
