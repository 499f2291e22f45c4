import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { convertCheckpoint } from "../../src/checkpoint/convert-checkpoint";
import { openCheckpoint } from "../../src/checkpoint/open-checkpoint";
import { OrderedMap, TensorToWrite, type WritableValue } from "../../src/checkpoint/writable";
import { writeCheckpoint } from "../../src/checkpoint/write-checkpoint";
import { hostilePickles } from "../checkpoint/hostile-pickles";
import { ascii, bytes, joined } from "../checkpoint/mini-pickler";
import { errorOf } from "../checkpoint/temporary-folder";
import { describeUnless } from "../support/skip";
import { temporaryFolder } from "../support/temporary-folder";
import { report } from "./fixtures";

interface Described {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly sha256: string;
}

type Tensors = Readonly<Record<string, Described>>;

/** What scripts/reference/checkpoints.py make writes: see there. */
interface Index {
  readonly files: Readonly<Record<string, { readonly form: "legacy" | "zip"; readonly tensors: Tensors }>>;
  readonly halves: Readonly<Record<"float64" | "float32" | "float16" | "bfloat16", Described>>;
  readonly foreign: Readonly<Record<string, string>>;
  readonly module: Tensors;
}

/** What scripts/reference/checkpoints.py load prints, by file. */
type Loaded = Readonly<
  Record<
    string,
    {
      readonly tensors: Tensors;
      readonly strict: Tensors | null;
      readonly optimizer: number | null;
      readonly scalars: Readonly<Record<string, string>>;
      readonly tied: boolean | null;
    }
  >
>;

const python = process.env["HIRE_SNN_REFERENCE_PYTHON"] ?? "";
const script = join(__dirname, "..", "..", "scripts", "reference", "checkpoints.py");

async function reference(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(python, [script, ...args], { maxBuffer: 2 ** 26 });
  return stdout;
}

function hash(values: ArrayBufferView): string {
  return createHash("sha256")
    .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    .digest("hex");
}

function tensorsOf(path: string): Tensors {
  using checkpoint = openCheckpoint(path);
  return Object.fromEntries(
    [...checkpoint.tensors].map(([key, { dtype, shape }]) => [
      key,
      { dtype, shape, sha256: hash(checkpoint.read(key)) },
    ]),
  );
}

const reason = python === "" ? "`npm run test:reference` makes the Python that these tests need" : null;

describeUnless(reason, "checkpoints and PyTorch", () => {
  const folder = temporaryFolder();
  const at = (name: string): string => join(folder, name);
  let index: Index;
  beforeAll(async () => {
    await reference("make", folder);
    index = JSON.parse(readFileSync(at("index.json"), "utf8")) as Index;
  }, 120_000);

  test("every tensor that PyTorch writes in either form, bit for bit", () => {
    const files = Object.entries(index.files);
    expect(files).toHaveLength(16);
    for (const [file, { form, tensors }] of files) {
      expect({ file, tensors: tensorsOf(at(file)) }).toEqual({ file, tensors });
      using checkpoint = openCheckpoint(at(file));
      expect(checkpoint.format).toBe(form);
      expect(checkpoint.warnings).toEqual([]);
    }
    const count = files.reduce((sum, [, { tensors }]) => sum + Object.keys(tensors).length, 0);
    report(`${count} tensors in ${files.length} files of PyTorch's are equal`);
  });

  test("a whole module in an archive: its tensors are read, its classes are named and left alone", () => {
    expect(tensorsOf(at("module.pt"))).toEqual(index.module);
    using checkpoint = openCheckpoint(at("module.pt"));
    expect(checkpoint.opaqueGlobals).toContain("torch.nn.modules.conv.Conv2d");
  });

  test("all else that Python writes is named for what it is", () => {
    for (const [file, what] of Object.entries(index.foreign)) {
      const { code, message } = errorOf(() => openCheckpoint(at(file)));
      expect({ file, code, message }).toEqual({
        file,
        code: file === "module-legacy.pt" ? "CHECKPOINT_UNSAFE" : "CHECKPOINT_FORMAT",
        message: expect.stringContaining(what),
      });
    }
  });

  test.each(["legacy", "zip"] as const)(
    "PyTorch loads what is written in the %s form, and a module takes it with strict=True",
    async (format) => {
      const written: string[] = [];
      for (const name of ["dtypes", "views", "special", "parameter", "state_dict", "training"]) {
        for (const from of ["legacy", "zip"]) {
          const path = at(`written-${name}-${from}-to-${format}.pt`);
          convertCheckpoint(at(`${name}-${from}.pt`), path, { format });
          written.push(path);
        }
      }
      // A checkpoint from values of this side's own.
      const own = at(`own-${format}.pt`);
      writeCheckpoint(own, ownCheckpoint(), { format });
      // The state of three parameters, in three tensors each, is split off.
      const optimizer = at(`written-training-zip-to-${format}.optimizer.pt`);
      const loaded = JSON.parse(await reference("load", ...written, own, optimizer)) as Loaded;

      for (const path of written) {
        const name = /written-(\w+)-(legacy|zip)-to/.exec(path) ?? [];
        const { tensors } = index.files[`${name[1]}-${name[2]}.pt`] ?? {};
        const expected = Object.entries(tensors ?? {}).filter(([key]) => !key.startsWith("optimizer."));
        expect(expected.length).toBeGreaterThan(0);
        expect({ path, tensors: loaded[path]?.tensors }).toEqual({
          path,
          tensors: Object.fromEntries(expected),
        });
      }
      expect(loaded[own]?.tensors).toEqual(tensorsOf(own));
      expect(loaded[own]).toMatchObject({
        tied: true,
        scalars: {
          epoch: "3",
          loss: "0.25",
          name: "'größer'",
          large: String(2n ** 70n),
          done: "True",
          none: "None",
        },
      });
      const strict = loaded[own]?.strict ?? {};
      expect(Object.keys(strict)).toHaveLength(8);
      for (const [key, tensor] of Object.entries(strict)) {
        expect(loaded[own]?.tensors[`state_dict.${key}`]).toEqual(tensor);
      }
      expect(loaded[optimizer]?.optimizer).toBe(3);
      expect(Object.keys(loaded[optimizer]?.tensors ?? {})).toHaveLength(9);
    },
    120_000,
  );

  test("Python runs the hostile pickles that this side refuses", async () => {
    const canary = at("canary");
    const hostile = hostilePickles(`touch ${canary}`).filter(({ runs }) => runs);
    expect(hostile).toHaveLength(9);
    for (const { name, object } of hostile) {
      const file = at("hostile.pkl");
      writeFileSync(file, joined(bytes(0x80, 4), object, ascii(".")));
      expect(errorOf(() => openCheckpoint(file)).code).toBe("CHECKPOINT_UNSAFE");
      expect(existsSync(canary)).toBe(false);
      await promisify(execFile)(python, ["-c", `import pickle; pickle.load(open("${file}", "rb"))`]);
      expect({ name, ran: existsSync(canary) }).toEqual({ name, ran: true });
      rmSync(canary);
    }
  });

  test("conversions between types round as PyTorch does", () => {
    for (const from of ["legacy", "zip"]) {
      for (const dtype of ["float64", "float32", "float16", "bfloat16"] as const) {
        const path = at(`halves-${from}-${dtype}.safetensors`);
        convertCheckpoint(at(`halves-${from}.pt`), path, { dtype });
        expect({ dtype, tensor: tensorsOf(path)["x"] }).toEqual({ dtype, tensor: index.halves[dtype] });
      }
    }
  });
});

/** The network of checkpoints.py with values of its own, two tied tensors and plain values. */
function ownCheckpoint(): Map<string, WritableValue> {
  const float = (shape: readonly number[], start: number): TensorToWrite => {
    const length = shape.reduce((product, size) => product * size, 1);
    return new TensorToWrite("float32", shape, () =>
      Float32Array.from({ length }, (_, step) => Math.sin(start + step)),
    );
  };
  const state = new OrderedMap([
    ["0.weight", float([4, 3, 3, 3], 1)],
    ["1.weight", float([4], 2)],
    ["1.bias", float([4], 3)],
    ["1.running_mean", float([4], 4)],
    ["1.running_var", float([4], 5)],
    ["1.num_batches_tracked", new TensorToWrite("int64", [], () => BigInt64Array.of(12n))],
    ["2.weight", float([10, 4], 6)],
    ["2.bias", float([10], 7)],
  ]);
  const tied = float([2, 2], 8);
  return new Map<string, WritableValue>([
    ["epoch", 3],
    ["loss", 0.25],
    ["name", "größer"],
    ["large", 2n ** 70n],
    ["done", true],
    ["none", null],
    ["state_dict", state],
    ["a", tied],
    ["tied", tied],
    ["empty", new TensorToWrite("float16", [0, 3], () => new Uint16Array(0))],
    ["list", [1, -(2 ** 40), "x", new Map([[5, null]])]],
  ]);
}
