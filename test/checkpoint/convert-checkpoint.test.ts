import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { convertCheckpoint } from "../../src/checkpoint/convert-checkpoint";
import {
  bfloat16FromFloat32,
  float16FromFloat32,
  float32FromFloat16,
} from "../../src/checkpoint/half-precision";
import { openCheckpoint } from "../../src/checkpoint/open-checkpoint";
import { temporaryFolder } from "../support/temporary-folder";
import {
  ascii,
  call,
  dict,
  emptyTuple,
  global,
  integer,
  legacyFile,
  list,
  none,
  reduce,
  storage,
  tensor,
  text,
  type Part,
} from "./mini-pickler";
import { containing, errorOf, temporaryFolder as inputFolder } from "./temporary-folder";

const inputs = inputFolder();
const folder = temporaryFolder();
let count = 0;
const output = (ending = ".pt"): string => join(folder, `${++count}${ending}`);
const one = (key: string): Part => tensor(storage(key, 2, { device: "cuda:0" }), [2]);
const storages = {
  0: Float32Array.of(1, 2),
  1: Float32Array.of(3, 4),
  2: Float32Array.of(5, 6),
  3: Float32Array.of(7, 8),
};

/** As a training script saves it, in the top dict: weights, an optimizer, plain values, an object. */
const training = (): string =>
  inputs.write(
    "training.pt",
    legacyFile(
      dict(
        ["epoch", integer(7)],
        [
          "state_dict",
          [
            call(global("collections", "OrderedDict")),
            ascii("("),
            ...[
              text("module.a"),
              one("0"),
              text("module.tied"),
              one("0"),
              text("module.t"),
              tensor(storage("1", 2), [2, 2], { strides: [1, 0] }),
            ],
            ascii("u"),
            dict(["_metadata", dict(["", dict(["version", integer(1)])])]),
            ascii("b"),
          ],
        ],
        [
          "optimizer",
          dict(
            ["state", dict(["0", dict(["exp_avg", one("2")])])],
            ["param_groups", list(dict(["lr", none]))],
          ),
        ],
        ["args", [global("argparse", "Namespace"), emptyTuple, reduce, dict(["lr", integer(1)]), ascii("b")]],
        ["ema", one("3")],
      ),
      storages,
    ),
  );

test.each(["legacy", "zip"] as const)(
  "to the %s form: all keeps its place, the optimizer goes into a second file",
  (format) => {
    const path = output();
    const { files, leftOut, warnings } = convertCheckpoint(training(), path, { format });
    const second = path.replace(/\.pt$/, ".optimizer.pt");
    expect(files).toEqual([
      { path, format, tensors: 4, size: readFileSync(path).length },
      { path: second, format, tensors: 1, size: readFileSync(second).length },
    ]);
    expect(leftOut).toEqual(["args"]);
    expect(warnings.join()).toContain("argparse.Namespace");
    using checkpoint = openCheckpoint(path);
    expect([...checkpoint.tensors.keys()]).toEqual([
      "state_dict.module.a",
      "state_dict.module.tied",
      "state_dict.module.t",
      "ema",
    ]);
    expect([...checkpoint.read("state_dict.module.t")]).toEqual([3, 3, 4, 4]);
    expect(checkpoint.read("state_dict.module.a")).toBe(checkpoint.read("state_dict.module.tied"));
    expect(checkpoint.tensors.get("ema")?.device).toBe("cpu");
    expect([...checkpoint.extras]).toEqual([["epoch", 7]]);
    // Attributes of the dict are no entries of it, but they are there.
    expect(readFileSync(path).includes("_metadata")).toBe(true);
    using optimizer = openCheckpoint(second);
    expect([...optimizer.read("optimizer.state.0.exp_avg")]).toEqual([5, 6]);
  },
);

test("to safetensors and back: the weights alone, and what is left out is listed", () => {
  const path = output(".safetensors");
  const { files, leftOut } = convertCheckpoint(training(), path);
  expect(files.map(({ format, tensors }) => [format, tensors])).toEqual([
    ["safetensors", 3],
    ["legacy", 1],
  ]);
  expect(leftOut).toEqual(["ema", "epoch", "args.lr"]);
  const back = output();
  expect(convertCheckpoint(path, back, { format: "zip" }).files).toHaveLength(1);
  for (const file of [path, back]) {
    using checkpoint = openCheckpoint(file);
    expect([...checkpoint.tensors.keys()]).toEqual(["module.a", "module.tied", "module.t"]);
    expect(checkpoint.stateDict.modulePrefix).toBe(true);
    expect([...checkpoint.read("module.t")]).toEqual([3, 3, 4, 4]);
    expect(checkpoint.extras.get("__metadata__.format")).toBe("pt");
  }
  const again = output(".safetensors");
  convertCheckpoint(path, again);
  expect(readFileSync(again)).toEqual(readFileSync(path));
});

test("another type for floating-point tensors, integers as they are", () => {
  const file = inputs.write(
    "mixed.pt",
    legacyFile(dict(["f", one("0")], ["i", tensor(storage("1", 2, { type: "IntStorage" }), [2])]), {
      0: Float32Array.of(1, 2),
      1: Float32Array.of(3, 4),
    }),
  );
  const path = output();
  convertCheckpoint(file, path, { dtype: "float16" });
  using checkpoint = openCheckpoint(path);
  expect(checkpoint.tensors.get("f")?.dtype).toBe("float16");
  expect([...checkpoint.readFloat32("f")]).toEqual([1, 2]);
  expect(checkpoint.tensors.get("i")?.dtype).toBe("int32");
});

test("halves: infinities, NaN, ties, the smallest", () => {
  const bits = [
    ...float16FromFloat32(
      Float32Array.of(
        65519,
        65520,
        -Infinity,
        NaN,
        2 ** -25,
        2 ** -25 * 1.001,
        2 ** -14,
        1 + 2 ** -11,
        1 + 3 * 2 ** -11,
        -0,
      ),
    ),
  ];
  expect(bits.map((bit) => bit.toString(16))).toEqual([
    "7bff",
    "7c00",
    "fc00",
    "7e00",
    "0",
    "1",
    "400",
    "3c00",
    "3c02",
    "8000",
  ]);
  expect(
    [...bfloat16FromFloat32(Float32Array.of(NaN, Infinity, 1 + 2 ** -8, 1 + 3 * 2 ** -8, 3.4e38))].map(
      (bit) => bit.toString(16),
    ),
  ).toEqual(["7fc0", "7f80", "3f80", "3f82", "7f80"]);
  // Every half that is a number comes back from float32.
  const all = Uint16Array.from({ length: 65536 }, (_, half) => half);
  const numbers = all.filter((half) => (half & 0x7fff) <= 0x7c00);
  expect(float16FromFloat32(float32FromFloat16(numbers))).toEqual(numbers);
});

test("files that are there are kept unless asked otherwise, the second one too", () => {
  const path = output();
  convertCheckpoint(training(), path);
  const before = readFileSync(path);
  expect(errorOf(() => convertCheckpoint(training(), path))).toEqual({
    code: "INVALID_ARGUMENT",
    message: containing(path),
  });
  expect(readFileSync(path)).toEqual(before);
  convertCheckpoint(training(), path, { overwrite: true, format: "zip" });
  expect(readFileSync(path)).not.toEqual(before);
  const other = output();
  inputs.write("ignored", "");
  convertCheckpoint(path, other);
  // In place: the input is read to its end before it is replaced.
  convertCheckpoint(other, other, { overwrite: true, format: "zip" });
  using checkpoint = openCheckpoint(other);
  expect([...checkpoint.read("ema")]).toEqual([7, 8]);
});

test("a file without tensors, and one with a tensor that cannot be read, give none", () => {
  const path = output();
  const empty = inputs.write("empty.pt", legacyFile(dict(["epoch", integer(1)])));
  expect(errorOf(() => convertCheckpoint(empty, path)).code).toBe("INVALID_ARGUMENT");
  const complex = inputs.write(
    "complex.pt",
    legacyFile(
      dict(["a", one("0")], ["c", tensor(storage("1", 1, { type: "ComplexFloatStorage" }), [1])]),
      { 0: Float32Array.of(1, 2), 1: Float32Array.of(3, 4) },
      { counts: { 1: 1 } },
    ),
  );
  for (const format of ["legacy", "safetensors"] as const) {
    expect(errorOf(() => convertCheckpoint(complex, path, { format }))).toEqual({
      code: "CHECKPOINT_FORMAT",
      message: containing("complex64"),
    });
  }
  expect(existsSync(path)).toBe(false);
});
