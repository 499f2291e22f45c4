// The multi-step engine changes the weights of linear layers within a step's backward pass, by kernels of its own. Here it is beside a
// pass that leaves its gradients and an update of all parameters by libtorch's kernels.
import { seedWords } from "../../src/attacks/random-start";
import { getThreads, setThreads } from "../../src/native/addon";
import { Tensor, type TensorData } from "../../src/tensor/tensor";
import { resolveSettings, type TrainingSettings } from "../../src/training/options";
import { TrainedNetwork, trainedTensors } from "../../src/training/trained-network";
import type { Network } from "../../src/networks/network";
import {
  numbers,
  smallNetwork,
  smallResidualNetwork,
  smallWeights,
  weightReader,
} from "../classifiers/small-networks";

const seed = 5;
const epoch = 1;
const learningRate = 0.01;
const steps = 4;
const statistics = { mean: [0.4, 0.5, 0.6], std: [0.2, 0.25, 0.3] };
// Linear layers behind a pool of four pixels and without one, with more than a chunk of inputs, and of a block and a part of one.
const plain = smallNetwork([3, 8, 8], [5, "A", 130, "A"], [70, 200, 4]);
const residual = smallResidualNetwork([3, 8, 8], 5, 6);
/** The weight of the output layer, which is linear. */
function outputOf({ layers }: Network): string {
  return `${layers.at(-1)?.name ?? ""}.weight`;
}
const next = numbers(6);
const images = Float32Array.from({ length: 6 * 192 }, next);
const labels = Int32Array.of(0, 1, 2, 3, 0, 1);
const samples = Uint32Array.of(8, 1, 7, 3, 5, 2);

async function trained(options: Partial<TrainingSettings>, network = plain): Promise<TrainedNetwork> {
  const settings = await resolveSettings(
    { method: "traditional", network: "small", timesteps: 5, dropout: 0.2, ...options },
    { datasetName: "npz", images: 100 },
  );
  const weights = weightReader(smallWeights(network, 5), "float32");
  const found = await TrainedNetwork.create({ network, ...statistics, settings, seed, weights });
  expect(found.native.kernels).toMatch(/^multistep /u);
  return found;
}

/** Of the largest value. */
function difference(found: TensorData, expected: TensorData): number {
  expect(found).toHaveLength(expected.length);
  const largest = Math.max(...Array.from(expected, Math.abs));
  return Math.max(...Array.from(found, (value, i) => Math.abs(value - (expected[i] as number)))) / largest;
}

describe.each<Partial<TrainingSettings>>([
  { optimizer: "adam" },
  { optimizer: "adam", amsgrad: false, weightDecay: 0.1, beta1: 0.8, beta2: 0.95 },
  { optimizer: "sgd", momentum: 0.9, weightDecay: 0.1 },
  { optimizer: "sgd", momentum: 0 },
])("%j", (options) => {
  // Gradients of the first surrogate are mostly zero, those of the second nowhere.
  test.each([
    ["piecewise-linear", plain],
    ["sigmoid", plain],
    ["piecewise-linear", residual],
  ] as const)("of the surrogate %s", async (shape, network) => {
    const own = { ...options, surrogate: { shape } };
    const output = outputOf(network);
    using whole = await trained(own, network);
    using apart = await trained(own, network);
    const names = trainedTensors(network, false).map(({ name }) => name);
    const before = await apart.read(output);
    for (let number = 0; number < steps; number++) {
      // From the same state: a spike that another rounding moved would move others.
      const state = await whole.native.state();
      for (const name of state) {
        const { data, shape } = await apart.read(name);
        await whole.write(name, data, shape);
      }
      const { gradientNorm } = await whole.step(images, labels, samples, number, epoch, learningRate);
      using batch = Tensor.from(images, [labels.length, ...network.inputShape]);
      await apart.native.pass(
        ...([Tensor.toNative(batch), labels, new Int32Array(samples.buffer), 2 * number] as const),
        ...([false, seedWords(seed), 2 * epoch] as const),
      );
      let squares = 0;
      for (const name of names) {
        const { data } = await apart.read(`${name}/gradient`);
        for (const value of data) squares += value ** 2;
      }
      expect(squares).toBeGreaterThan(0);
      expect(gradientNorm / Math.sqrt(squares)).toBeCloseTo(1, 5);
      await apart.native.update(learningRate);
      for (const name of state) {
        const [found, expected] = await Promise.all([whole.read(name), apart.read(name)]);
        if (name === "optimizer/steps") expect([...found.data]).toEqual([number + 1]);
        else expect([name, difference(found.data, expected.data) < 1e-6]).toEqual([name, true]);
      }
    }
    expect(difference((await whole.read(output)).data, before.data)).toBeGreaterThan(1e-3);
  });
});

test("there are no gradients to read or to update by after a step", async () => {
  using network = await trained({});
  await network.step(images, labels, samples, 0, epoch, learningRate);
  await expect(network.read(`${outputOf(plain)}/gradient`)).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
  });
  await expect(network.native.update(learningRate)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

test("a step's bits do not depend on the number of threads", async () => {
  const before = getThreads();
  const states: TensorData[][] = [];
  try {
    for (const threads of [1, 2, 3]) {
      setThreads(threads);
      using network = await trained({ method: "hire", timesteps: 6 });
      await network.step(images, labels, samples, 0, epoch, learningRate);
      const names = await network.native.state();
      states.push(await Promise.all(names.map(async (name) => (await network.read(name)).data)));
    }
  } finally {
    setThreads(before);
  }
  expect(states[1]).toEqual(states[0]);
  expect(states[2]).toEqual(states[0]);
});

test("noise by a recomputed gradient is that of a pass of its own, with masks of its own", async () => {
  using network = await trained({ method: "hire", timesteps: 6, hire: { gradient: "recompute" } });
  // Nothing is learnt, so that the period's two passes see the same parameters.
  const { losses } = await network.step(images, labels, samples, 0, epoch, 0);
  const shape = [labels.length, ...plain.inputShape];
  const passOf = async (
    shown: Float32Array,
    pass: number,
  ): Promise<{ loss: number; gradient: TensorData }> => {
    using batch = Tensor.from(shown, shape);
    const indices = new Int32Array(samples.buffer);
    const done = await network.native.pass(
      ...([Tensor.toNative(batch), labels, indices, pass, true, seedWords(seed)] as const),
    );
    using found = Tensor.fromNative(done.losses);
    using gradient = Tensor.fromNative(done.imageGradient as NonNullable<typeof done.imageGradient>);
    const all = Array.from(await found.data());
    return { loss: all.reduce((sum, loss) => sum + loss) / all.length, gradient: await gradient.data() };
  };
  const first = await passOf(images, 0);
  expect(losses[0]).toBeCloseTo(first.loss, 6);
  const noisy = (gradient: TensorData): Float32Array =>
    images.map((pixel, i) => Math.min(1, Math.max(0, pixel + (8 / 255) * Math.sign(gradient[i] as number))));
  const recomputed = await passOf(images, 1);
  expect(losses[1]).toBeCloseTo((await passOf(noisy(recomputed.gradient), 2)).loss, 5);
  expect(Math.abs((losses[1] as number) - (await passOf(noisy(first.gradient), 2)).loss)).toBeGreaterThan(
    1e-4,
  );
});
