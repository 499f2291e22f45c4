import { buildNetwork } from "../../src/networks/build-network";
import { catalogue } from "../../src/networks/catalogue";
import type { Network, Shape } from "../../src/networks/network";
import { networkUnknown, recognise } from "../../src/networks/recognise";
import { shapesOf, stateDictOf } from "./state-dicts";

function build(
  name: string,
  inputShape: Shape,
  options: { classes?: number; kernel?: number } = {},
): Network {
  const { features, hidden } = catalogue.find((entry) => entry.name === name)!;
  return buildNetwork({
    name,
    features,
    hidden,
    inputShape,
    classes: options.classes ?? 10,
    kernel: options.kernel ?? 3,
  });
}

describe.each(catalogue.map(({ name }) => name))("%s", (name) => {
  test.each<[string, Shape, { classes?: number; kernel?: number }]>([
    ["CIFAR-10", [3, 32, 32], {}],
    ["CIFAR-100", [3, 32, 32], { classes: 100 }],
    ["MNIST", [1, 28, 28], {}],
    ["a kernel of 5", [3, 32, 32], { kernel: 5 }],
  ])("is recognised for %s", (_what, input, options) => {
    const network = build(name, input, options);
    expect(recognise(stateDictOf(shapesOf(network))).found?.network).toEqual(network);
  });
});

test("larger inputs are recognised where no network of the usual size fits", () => {
  const network = build("VGG16", [3, 64, 64], { classes: 200 });
  expect(recognise(stateDictOf(shapesOf(network))).found?.network.inputShape).toEqual([3, 64, 64]);
  // The same tensors as HIRE's VGG11 at 32x32, which is what such files are.
  const same = build("VGG11 (DIET-SNN)", [3, 64, 64]);
  expect(recognise(stateDictOf(shapesOf(same))).found?.network.name).toBe("VGG11");
});

describe("nothing is accepted that differs", () => {
  const shapes = shapesOf(build("VGG5", [3, 32, 32]));
  const changed = (
    change: (shapes: Map<string, readonly number[]>) => void,
  ): ReturnType<typeof recognise> => {
    const copy = new Map(shapes);
    change(copy);
    return recognise(stateDictOf(copy));
  };

  test("a missing tensor", () => {
    const result = changed((copy) => copy.delete("leak.l3"));
    expect(result.found).toBeUndefined();
    expect(result.candidates[0]).toMatchObject({
      network: { name: "VGG5" },
      match: { missing: ["leak.l3"], unexpected: [], wrong: [] },
    });
  });

  test("an unexpected tensor", () => {
    const result = changed((copy) => copy.set("features.0.bias", [64]));
    expect(result.found).toBeUndefined();
    expect(result.candidates[0]!.match).toEqual({ missing: [], unexpected: ["features.0.bias"], wrong: [] });
  });

  test("a tensor of another shape, and a threshold of many values", () => {
    const result = changed((copy) => copy.set("classifier.3.weight", [4096, 2048]).set("threshold.t0", [64]));
    expect(result.found).toBeUndefined();
    expect(result.candidates[0]!.match.wrong).toEqual([
      { key: "threshold.t0", expected: "float []", found: "float32 [64]" },
      { key: "classifier.3.weight", expected: "float [4096, 4096]", found: "float32 [4096, 2048]" },
    ]);
  });

  test("integers in place of weights", () => {
    expect(recognise(stateDictOf(shapes, "int64")).found).toBeUndefined();
  });

  test("an unreadable tensor beside the weights", () => {
    const stateDict = { ...stateDictOf(shapes), others: ["features.0.mask"] };
    expect(recognise(stateDict).candidates[0]!.match.unexpected).toEqual(["features.0.mask"]);
  });

  test("one element instead of 0 dimensions is no difference", () => {
    expect(changed((copy) => copy.set("threshold.t0", [1])).found?.network.name).toBe("VGG5");
  });

  test("the message lists the nearest candidates with every kind of difference", () => {
    const result = changed((copy) => {
      copy.delete("leak.l3");
      copy.set("extra", [1]).set("classifier.0.weight", [4096, 1]);
    });
    const { code, message } = networkUnknown("x.pt", result);
    expect(code).toBe("NETWORK_UNKNOWN");
    expect(message).toContain("VGG5 = VGG6 = VGG5 (DIET-SNN) = VGG5 (hybrid) for 10 classes of 3x32x32");
    expect(message).toContain("1 missing: leak.l3");
    expect(message).toContain("1 unexpected: extra");
    expect(message).toContain("classifier.0.weight (expected float [4096, 8192], found float32 [4096, 1])");
    expect(message).toContain("--network");
  });

  test("tensors that have nothing of a VGG", () => {
    const result = recognise(stateDictOf(new Map([["layer1.0.conv1.weight", [16, 16, 3, 3]]])));
    expect(result.found).toBeUndefined();
    expect(result.candidates).toHaveLength(3);
  });
});
