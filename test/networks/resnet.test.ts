import { findEntry } from "../../src/networks/catalogue";
import { buildNetwork } from "../../src/networks/build-network";
import { macsPerTimestep } from "../../src/networks/layer-sizes";
import type { Network, Shape } from "../../src/networks/network";
import { parseNetwork } from "../../src/networks/network-text";
import { recognise } from "../../src/networks/recognise";
import { containing, errorOf } from "../checkpoint/temporary-folder";
import { shapesOf, stateDictOf } from "./state-dicts";

function build(name: string, inputShape: Shape = [3, 32, 32], classes = 100): Network {
  const { features, hidden } = findEntry(name)!;
  return buildNetwork({ name, features, hidden, classes, inputShape, kernel: 3 });
}

test("ResNet12 has the keys and shapes of DIET-SNN's", () => {
  const shapes = shapesOf(build("ResNet12", [3, 32, 32], 10));
  const neurons = [0, 3, 6, 9, 10, 11, 12, 13, 14, 15, 16];
  expect([...shapes.keys()].sort()).toEqual(
    [
      ...[0, 3, 6].map((index) => `pre_process.${index}.weight`),
      ...[1, 2, 3, 4].flatMap((layer) => [0, 3].map((index) => `layer${layer}.0.residual.${index}.weight`)),
      ...[2, 3, 4].map((layer) => `layer${layer}.0.identity.0.weight`),
      "classifier.0.weight",
      ...neurons.flatMap((index) => [`threshold.t${index}`, `leak.l${index}`]),
    ].sort(),
  );
  expect(shapes.get("layer3.0.residual.0.weight")).toEqual([256, 128, 3, 3]);
  expect(shapes.get("layer3.0.identity.0.weight")).toEqual([256, 128, 1, 1]);
  expect(shapes.get("classifier.0.weight")).toEqual([10, 2048]);
});

test("blocks with their shortcuts: the stem's pool is the first one's input as it is", () => {
  const blocks = build("ResNet12").layers.slice(4, 8);
  expect(blocks).toMatchObject([
    { name: "layer1.0.conv1", inputShape: [64, 16, 16], outputShape: [64, 16, 16] },
    { name: "layer1.0.conv2", shortcut: { from: "pool1", inputShape: [64, 16, 16] } },
    { name: "layer2.0.conv1", stride: 2, outputShape: [128, 8, 8], keys: { threshold: "threshold.t11" } },
    {
      name: "layer2.0.conv2",
      shortcut: {
        from: "layer1.0.conv2",
        keys: { weight: "layer2.0.identity.0.weight" },
        stride: 2,
        inputShape: [64, 16, 16],
      },
    },
  ]);
  const first = blocks[1];
  expect(first?.kind === "conv" && first.shortcut?.keys).toBeUndefined();
});

/** Of a block that keeps its shape, in any layer: half the side goes with twice the channels. */
const macsOfBlock = 2 * 64 * 64 * 9 * 16 * 16;

test.each([
  ["ResNet12", 140_386_304, 16, 12],
  ["ResNet20", 140_386_304 + 4 * macsOfBlock, 24, 20],
  ["ResNet34", 140_386_304 + 12 * macsOfBlock, 40, 36],
])("%s: multiply-accumulates %i at 100 classes, thresholds up to t%i", (name, macs, last, weighted) => {
  const network = build(name);
  expect(macsPerTimestep(network)).toBe(macs);
  const numbers = network.layers.flatMap((layer) => (layer.kind === "conv" ? [layer.keys.threshold] : []));
  expect(numbers.at(-1)).toBe(`threshold.t${last}`);
  expect(network.layers.filter(({ kind }) => kind !== "average-pool")).toHaveLength(weighted);
});

test("a residual network as text is the one of the catalogue", () => {
  const text = "64,64,64,A,R64x3,R128x4,R256x6,R512x3/100";
  expect({ ...parseNetwork(text), name: "ResNet34" }).toEqual(build("ResNet34"));
  expect(parseNetwork("8, a, r8, R12x2/10@1x9x7:k5")).toMatchObject({
    inputShape: [1, 9, 7],
    layers: [
      { name: "conv1", kernel: 5 },
      { name: "pool1", outputShape: [8, 4, 3] },
      { name: "layer1.0.conv1" },
      { name: "layer1.0.conv2" },
      { name: "layer2.0.conv1", outputShape: [12, 2, 2], stride: 2 },
      { name: "layer2.0.conv2", shortcut: { stride: 2 } },
      { name: "layer2.1.conv1" },
      { name: "layer2.1.conv2", shortcut: { from: "layer2.0.conv2" } },
      { name: "output", inputShape: [12, 2, 2] },
    ],
  });
});

test.each([
  ["R8/10", "at least one convolution"],
  ["8,R8,A/10", "residual layers behind all convolutions and pools"],
  ["8,R8,8/10", "residual layers behind all convolutions and pools"],
  ["8,R8/64,10", "no hidden linear layers"],
  ["8,R0/10", "at least one channel"],
  ["8,R8x0/10", "at least one block"],
  ["8,R8x/10", "channels or neurons"],
  ["8,RA/10", "channels or neurons"],
  ["8x2,R8/10", "channels or neurons"],
])("%s is refused", (text, reason) => {
  expect(errorOf(() => parseNetwork(text))).toMatchObject({
    code: "NETWORK_INVALID",
    message: containing(reason),
  });
});

test("nothing is recognised that differs in a shortcut", () => {
  const shapes = shapesOf(build("ResNet20", [3, 32, 32], 10));
  expect(recognise(stateDictOf(shapes)).found?.network.name).toBe("ResNet20");
  const without = new Map(shapes);
  without.delete("layer2.0.identity.0.weight");
  expect(recognise(stateDictOf(without))).toMatchObject({
    found: undefined,
    candidates: [
      { network: { name: "ResNet20" }, match: { missing: ["layer2.0.identity.0.weight"] } },
      ...[{}, {}],
    ],
  });
  const wider = new Map(shapes).set("layer2.0.identity.0.weight", [128, 64, 3, 3]);
  expect(recognise(stateDictOf(wider)).found).toBeUndefined();
});
