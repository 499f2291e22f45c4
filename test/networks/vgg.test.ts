import { catalogue, findEntry } from "../../src/networks/catalogue";
import { elementsOf, macsPerTimestep } from "../../src/networks/layer-sizes";
import type { Network, Shape } from "../../src/networks/network";
import { parseNetwork } from "../../src/networks/network-text";
import { buildNetwork } from "../../src/networks/build-network";
import { containing, errorOf } from "../checkpoint/temporary-folder";
import { shapesOf } from "./state-dicts";

function build(name: string, inputShape: Shape, classes = 100): Network {
  const { features, hidden } = findEntry(name)!;
  return buildNetwork({ name, features, hidden, classes, inputShape, kernel: 3 });
}

const firstLinear = (network: Network): number =>
  elementsOf(network.layers.find(({ kind }) => kind === "linear")!.inputShape);

test("VGG11 has the published keys and shapes", () => {
  const shapes = shapesOf(build("VGG11", [3, 32, 32]));
  const conv = [0, 3, 6, 9, 12, 15, 18, 21];
  const spiking = [...conv, 24, 27];
  expect(new Set(shapes.keys())).toEqual(
    new Set([
      ...conv.map((index) => `features.${index}.weight`),
      ...[0, 3, 6].map((index) => `classifier.${index}.weight`),
      ...spiking.flatMap((index) => [`threshold.t${index}`, `leak.l${index}`]),
    ]),
  );
  expect(shapes.get("features.9.weight")).toEqual([512, 256, 3, 3]);
  expect(shapes.get("classifier.0.weight")).toEqual([4096, 8192]);
  expect(shapes.get("classifier.6.weight")).toEqual([100, 4096]);
});

test("layers stand in the order of computation, with their names and shapes", () => {
  expect(build("VGG5", [3, 32, 32]).layers.map(({ name, outputShape }) => [name, outputShape])).toEqual([
    ["conv1", [64, 32, 32]],
    ["pool1", [64, 16, 16]],
    ["conv2", [128, 16, 16]],
    ["conv3", [128, 16, 16]],
    ["pool2", [128, 8, 8]],
    ["linear1", [4096, 1, 1]],
    ["linear2", [4096, 1, 1]],
    ["output", [100, 1, 1]],
  ]);
});

test.each([
  ["VGG5", 109_133_824],
  ["VGG11", 599_867_392],
])("multiply-accumulates of %s", (name, macs) => {
  expect(macsPerTimestep(build(name, [3, 32, 32]))).toBe(macs);
});

test.each<[string, Shape, number]>([
  ["VGG5", [3, 32, 32], 8192],
  ["VGG6", [3, 32, 32], 8192],
  ["VGG11", [3, 32, 32], 8192],
  ["VGG11 (DIET-SNN)", [3, 32, 32], 2048],
  ["VGG11 (hybrid)", [3, 32, 32], 8192],
  ["VGG16", [3, 32, 32], 2048],
  ["VGG4", [1, 28, 28], 6272],
  ["VGG6", [1, 28, 28], 6272],
  ["VGG9", [1, 28, 28], 512],
  ["VGG13", [1, 28, 28], 512],
  ["VGG16", [1, 28, 28], 512],
  ["VGG19", [1, 28, 28], 512],
  // Where the original's code fails, the feature map decides.
  ["VGG11", [1, 28, 28], 4608],
  ["VGG4", [3, 32, 32], 8192],
  ["VGG16", [3, 224, 224], 100_352],
])("%s on %j has a first linear layer of %i", (name, input, size) => {
  expect(firstLinear(build(name, input))).toBe(size);
});

test("no two entries of the catalogue have the same tensors", () => {
  for (const input of [[3, 32, 32] as const, [1, 28, 28] as const]) {
    const all = catalogue.map(({ name }) => JSON.stringify([...shapesOf(build(name, input))]));
    expect(new Set(all).size).toBe(catalogue.length);
  }
});

describe("networks as text", () => {
  test("layers, with the input and kernel that the text or its surroundings give", () => {
    const network = parseNetwork("8, A,16,16,a/64,10");
    expect(network).toMatchObject({ name: "8,A,16,16,a/64,10", inputShape: [3, 32, 32], classes: 10 });
    expect(shapesOf(network).get("classifier.0.weight")).toEqual([64, 16 * 8 * 8]);
    expect(shapesOf(network).get("threshold.t9")).toEqual([]);
    expect(parseNetwork("8/10@1x28x28:k5").layers[0]).toMatchObject({ kernel: 5, inputShape: [1, 28, 28] });
    expect(parseNetwork("8/10", { inputShape: [3, 16, 16], kernel: 1 })).toMatchObject({
      inputShape: [3, 16, 16],
    });
  });

  test.each([
    ["8,A", "features/widths"],
    ["8,B/10", "features/widths"],
    ["8,,A/10", "single commas"],
    ["8/64,", "single commas"],
    ["A,8/10", "A behind a convolution"],
    ["8,A,A/10", "A behind a convolution"],
    ["0/10", "at least one channel"],
    ["8/0,10", "at least one neuron"],
    ["8/1", "at least two classes"],
    ["8/10:k4", "odd kernel"],
    ["8/10@3x0x4", "above 0"],
    ["8,A,8,A/10@3x2x2", "at least 2x2"],
    ["8,A8/10", "channels or neurons"],
  ])("%s is refused", (text, reason) => {
    expect(errorOf(() => parseNetwork(text))).toMatchObject({
      code: "NETWORK_INVALID",
      message: containing(reason),
    });
  });

  test("a text that contradicts its surroundings is refused", () => {
    expect(errorOf(() => parseNetwork("8/10@3x8x8", { inputShape: [3, 16, 16] })).code).toBe(
      "NETWORK_INVALID",
    );
  });
});
