import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { CheckpointFormat, StoredDtype, StoredValues } from "../../src/checkpoint/checkpoint";
import { crc32InJavaScript } from "../../src/checkpoint/crc32";
import { openCheckpoint } from "../../src/checkpoint/open-checkpoint";
import { OrderedMap, TensorToWrite, type WritableValue } from "../../src/checkpoint/writable";
import { writeCheckpoint } from "../../src/checkpoint/write-checkpoint";
import { temporaryFolder } from "../support/temporary-folder";
import { containing, errorOf } from "./temporary-folder";

// What PyTorch makes of these files is test/reference/checkpoints.test.ts.
const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);
const forms: CheckpointFormat[] = ["legacy", "zip", "safetensors"];

const values: Readonly<Record<StoredDtype, StoredValues>> = {
  float64: Float64Array.of(Math.PI, -0),
  float32: Float32Array.of(1.5, NaN),
  float16: Uint16Array.of(0x3c00, 0xfc00),
  bfloat16: Uint16Array.of(0x3f80, 0x7fc0),
  int64: BigInt64Array.of(2n ** 62n, -1n),
  int32: Int32Array.of(-5, 2 ** 30),
  int16: Int16Array.of(-5, 300),
  int8: Int8Array.of(-128, 127),
  uint8: Uint8Array.of(255, 0),
  bool: Uint8Array.of(1, 0),
};

test.each(forms)("all types come back from the %s form, bit for bit", (format) => {
  const tensors = new OrderedMap(
    Object.entries(values).map(([dtype, array]) => [
      dtype,
      new TensorToWrite(dtype as StoredDtype, [1, 2], () => array),
    ]),
  );
  tensors.set("scalar", new TensorToWrite("float32", [], () => Float32Array.of(7)));
  tensors.set("empty", new TensorToWrite("int64", [0, 3], () => new BigInt64Array(0)));
  const path = at(`types.${format}`);
  const size = writeCheckpoint(path, tensors, { format });
  expect(readFileSync(path)).toHaveLength(size);
  using checkpoint = openCheckpoint(path);
  expect(checkpoint.format).toBe(format);
  expect(checkpoint.warnings).toEqual([]);
  expect([...checkpoint.tensors.keys()]).toEqual([...Object.keys(values), "scalar", "empty"]);
  for (const [dtype, array] of Object.entries(values)) {
    expect(checkpoint.tensors.get(dtype)).toEqual({ dtype, shape: [1, 2], device: "cpu" });
    expect(checkpoint.read(dtype)).toEqual(array);
  }
  expect(checkpoint.read("scalar")).toEqual(Float32Array.of(7));
  expect(checkpoint.tensors.get("empty")?.shape).toEqual([0, 3]);
});

test.each(["legacy", "zip"] as const)("plain values of all kinds come back from the %s form", (format) => {
  const integers = [0, 1, -1, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1, 2 ** 53 - 1];
  const large = [2n ** 63n, -(2n ** 63n), 2n ** 64n - 1n, 2n ** 2100n, -(2n ** 2047n), 255n ** 9n];
  const floats = [0.5, -1e300, 5e-324, Infinity, NaN, -0];
  const value = new Map<string, WritableValue>([
    ["integers", integers],
    ["large", large],
    ["floats", floats],
    ["texts", ["", "größer", "a\nb", "\0"]],
    ["others", [true, false, null]],
    ["nested", new Map<string | number, WritableValue>([[7, new Map([["x", [1]]])]])],
  ]);
  writeCheckpoint(at("values"), value, { format });
  using checkpoint = openCheckpoint(at("values"));
  expect([...checkpoint.extras]).toEqual([
    ["integers", integers],
    // Integers are numbers as long as those are exact.
    ["large", large],
    ["floats", floats],
    ["texts", ["", "größer", "a\nb", "\0"]],
    ["others", [true, false, null]],
    ["nested.7.x", [1]],
  ]);
});

test("tied weights are written once, and are tied when they are read", () => {
  const tied = new TensorToWrite("float32", [1000], () => new Float32Array(1000));
  const size = writeCheckpoint(
    at("tied"),
    new OrderedMap([
      ["a", tied],
      ["b", tied],
    ]),
  );
  expect(size).toBeLessThan(6000);
  using checkpoint = openCheckpoint(at("tied"));
  expect(checkpoint.read("a")).toBe(checkpoint.read("b"));
});

test("the legacy stream is the default, of protocol 2, on the CPU, without a name that PyTorch 1.5 does not know", () => {
  writeCheckpoint(
    at("default"),
    new OrderedMap([["a", new TensorToWrite("float32", [1], () => Float32Array.of(1))]]),
  );
  const bytes = readFileSync(at("default"));
  expect(bytes.subarray(0, 4).toString("hex")).toBe("80028a0a");
  const globals = [...bytes.toString("latin1").matchAll(/c([a-z_.]+)\n(\w+)\n/g)].map(
    ([, module, name]) => `${module}.${name}`,
  );
  expect(new Set(globals)).toEqual(
    new Set(["collections.OrderedDict", "torch._utils._rebuild_tensor_v2", "torch.FloatStorage"]),
  );
});

test("the archive says version 3, and its contents begin at multiples of 64", () => {
  const bits = (length: number) =>
    new TensorToWrite("uint8", [length], () => new Uint8Array(length).fill(0xab));
  writeCheckpoint(
    at("archive"),
    new OrderedMap([
      ["a", bits(7)],
      ["b", bits(100)],
    ]),
    { format: "zip" },
  );
  const bytes = readFileSync(at("archive"));
  expect(bytes.indexOf(Buffer.alloc(7, 0xab)) % 64).toBe(0);
  expect(bytes.indexOf(Buffer.alloc(100, 0xab)) % 64).toBe(0);
  const version = bytes.indexOf("archive/version");
  expect(bytes.subarray(version).toString("latin1")).toMatch(/^archive\/versionFB[^]{2}\0*3\n/);
});

test.each<[string, WritableValue, CheckpointFormat, string]>([
  ["too few values", new TensorToWrite("float32", [3], () => new Float32Array(2)), "legacy", "found 2"],
  [
    "values of another type",
    new TensorToWrite("float32", [2], () => new Float64Array(2)),
    "zip",
    "Float64Array",
  ],
  ["a list in safetensors", [1], "safetensors", "Map of tensors"],
  ["a number in safetensors", new Map([["epoch", 1]]), "safetensors", '"epoch"'],
])("%s are refused, and nothing is left behind", (_what, value, format, message) => {
  const before = readdirSync(folder);
  expect(errorOf(() => writeCheckpoint(at("no.pt"), value, { format }))).toEqual({
    code: "INVALID_ARGUMENT",
    message: containing(message),
  });
  expect(readdirSync(folder)).toEqual(before);
});

test("a value that holds itself is refused", () => {
  const value: WritableValue[] = [];
  value.push(value);
  expect(errorOf(() => writeCheckpoint(at("cycle.pt"), value)).code).toBe("INVALID_ARGUMENT");
});

test("a failure leaves the file that was there, and a folder that is not there is named", () => {
  writeCheckpoint(at("kept.pt"), new Map([["epoch", 1]]));
  const before = readFileSync(at("kept.pt"));
  const broken = new TensorToWrite("float32", [1], () => {
    throw new Error("no values");
  });
  expect(() => writeCheckpoint(at("kept.pt"), broken)).toThrow("no values");
  expect(readFileSync(at("kept.pt"))).toEqual(before);
  const nowhere = errorOf(() => writeCheckpoint(join(folder, "nowhere", "x.pt"), null));
  expect(nowhere).toEqual({ code: "IO", message: containing("nowhere") });
  expect(existsSync(join(folder, "nowhere"))).toBe(false);
});

test("the checksum without Node's own", () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, index) => (index * 7) & 0xff);
  expect(crc32InJavaScript(bytes, 0)).toBe(crc32(bytes));
  expect(crc32InJavaScript(bytes.subarray(300), crc32(bytes.subarray(0, 300)))).toBe(crc32(bytes));
});
