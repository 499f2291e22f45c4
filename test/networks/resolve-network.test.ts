import { openCheckpoint } from "../../src/checkpoint/open-checkpoint";
import { parametersOf, readNeuronParameters } from "../../src/networks/network-parameters";
import { parseNetwork } from "../../src/networks/network-text";
import { resolveNetwork, type ResolvedNetwork } from "../../src/networks/resolve-network";
import { resolveTimesteps } from "../../src/networks/timesteps";
import { containing, errorOf, temporaryFolder } from "../checkpoint/temporary-folder";
import { networkFileContent, type FileOptions } from "./state-dicts";

const folder = temporaryFolder();
const text = "4,A,8/16,10";
const small = parseNetwork(text, { inputShape: [3, 16, 16] });

let files = 0;
/** Writes the small network, with a file beside it if one is given. */
function written(beside?: unknown, options?: FileOptions): string {
  const name = `net${++files}`;
  if (beside !== undefined) {
    folder.write(`${name}.network.json`, typeof beside === "string" ? beside : JSON.stringify(beside));
  }
  return folder.write(`${name}.pt`, networkFileContent(small, options));
}

function resolve(path: string, network?: string): ResolvedNetwork {
  using checkpoint = openCheckpoint(path);
  return resolveNetwork(checkpoint, { network });
}

test("by the option, by the file beside it, or not at all", () => {
  expect(resolve(written(), `${text}@3x16x16`)).toMatchObject({ from: "option", network: { classes: 10 } });
  const beside = { network: text, inputShape: [3, 16, 16], timesteps: 6, mean: [0, 0, 0], std: [1, 1, 1] };
  expect(resolve(written(beside))).toMatchObject({
    from: "network file",
    network: { inputShape: [3, 16, 16] },
    networkFile: { timesteps: 6, std: [1, 1, 1] },
  });
  expect(errorOf(() => resolve(written())).code).toBe("NETWORK_UNKNOWN");
});

test("the option goes before the file", () => {
  const path = written({ network: "5,A,8/16,10", inputShape: [3, 16, 16] });
  expect(resolve(path, text).from).toBe("option");
  expect(errorOf(() => resolve(path)).code).toBe("NETWORK_INVALID");
});

test("a wrapped checkpoint is as good", () => {
  expect(resolve(written(undefined, { wrap: true }), `${text}@3x16x16`).network.classes).toBe(10);
});

test("a named network must have exactly the tensors", () => {
  expect(errorOf(() => resolve(written(), "4,A,8/16,11@3x16x16"))).toMatchObject({
    code: "NETWORK_INVALID",
    message: containing("classifier.3.weight (expected float [11, 16], found float32 [10, 16])"),
  });
  expect(errorOf(() => resolve(written(), "VGG5")).code).toBe("NETWORK_INVALID");
  expect(errorOf(() => resolve(written(), "VGG7"))).toMatchObject({
    code: "NETWORK_INVALID",
    message: containing("VGG11 (DIET-SNN)"),
  });
});

test.each<[string, unknown, string]>([
  ["no JSON", "{", "not valid JSON"],
  ["no object", [1], "an object"],
  ["a misspelt key", { network: text, timestep: 6 }, '"timestep"'],
  ["a network that is no text", { network: 5 }, "a text"],
  ["a shape of two sizes", { network: text, inputShape: [3, 16] }, "three sizes"],
  ["no time steps", { network: text, timesteps: 0 }, "whole number"],
  ["another coding", { network: text, coding: "poisson" }, "direct or rate"],
  [
    "an unknown surrogate",
    { network: text, surrogate: { shape: "step" } },
    "Expected one of piecewise-linear",
  ],
  ["a surrogate that is a text", { network: text, surrogate: "atan" }, "an object with a shape"],
  [
    "a surrogate with a misspelt key",
    { network: text, surrogate: { shape: "atan", b: 2 } },
    "an object with a shape",
  ],
  [
    "a surrogate without its parameter",
    { network: text, surrogate: { shape: "atan", a: null } },
    "a number above 0",
  ],
  ["a mean without std", { network: text, mean: [0, 0, 0] }, "together"],
  ["a std of 0", { network: text, mean: [0], std: [0] }, "above 0"],
  [
    "another kernel than the text",
    { network: `${text}:k3`, inputShape: [3, 16, 16], kernel: 5 },
    "one kernel",
  ],
])("a file beside it with %s is refused", (_what, beside, reason) => {
  expect(errorOf(() => resolve(written(beside)))).toMatchObject({
    code: "NETWORK_INVALID",
    message: containing(reason),
  });
});

describe("parameters", () => {
  test("thresholds and leaks in the order of the layers, and checked tensors", () => {
    using checkpoint = openCheckpoint(
      written(undefined, { values: { "threshold.t3": 2, "leak.l0": -0.25 } }),
    );
    expect(readNeuronParameters(checkpoint, small)).toEqual([
      { layer: "conv1", threshold: 1, leak: -0.25 },
      { layer: "conv2", threshold: 2, leak: 0.5 },
      { layer: "linear1", threshold: 1, leak: 0.5 },
    ]);
    expect(parametersOf(checkpoint).read("classifier.3.weight")).toMatchObject({ shape: [10, 16] });
    expect(errorOf(() => parametersOf(checkpoint).read("classifier.6.weight")).code).toBe("NETWORK_INVALID");
  });

  test.each([
    ["threshold.t0", 0],
    ["threshold.t0", -1],
    ["threshold.t3", NaN],
    ["threshold.t6", Infinity],
    ["leak.l0", NaN],
    ["leak.l6", -Infinity],
  ])("%s of %d is refused", (key, value) => {
    using checkpoint = openCheckpoint(written(undefined, { values: { [key]: value } }));
    expect(errorOf(() => readNeuronParameters(checkpoint, small))).toMatchObject({
      code: "NETWORK_INVALID",
      message: containing(key),
    });
  });

  test("a weight that is no number is refused", () => {
    using checkpoint = openCheckpoint(written(undefined, { values: { "features.3.weight": NaN } }));
    expect(errorOf(() => parametersOf(checkpoint).read("features.3.weight"))).toMatchObject({
      code: "NETWORK_INVALID",
      message: containing("features.3.weight[0]"),
    });
  });
});

test.each<[number | undefined, string, number | undefined, number, string]>([
  [3, "a_tstep5.pt", 4, 3, "option"],
  [undefined, "a_tstep5.pt", 4, 4, "network file"],
  [undefined, "models/vgg11_cifar100_hiresnn_tstep5_bb_test_model.pt", undefined, 5, "file name"],
  [undefined, "TSTEP12.pt", undefined, 12, "file name"],
  [undefined, "tstep6/vgg11_cifar100_tradit_model.pt", undefined, 8, "default"],
])("time steps: option %s, file %s, beside %s: %i from the %s", (option, name, beside, timesteps, from) => {
  expect(resolveTimesteps(option, name, { timesteps: beside })).toEqual({ timesteps, from });
});

test.each([0, -1, 1.5, NaN, 1e6])("%d time steps are refused", (option) => {
  expect(errorOf(() => resolveTimesteps(option, "x.pt")).code).toBe("INVALID_ARGUMENT");
});
