import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const load = createRequire(import.meta.url);
const { OrderedMap, TensorToWrite } = load("../../lib/checkpoint/writable.js");
const { writeCheckpoint } = load("../../lib/checkpoint/write-checkpoint.js");

/**
 * Whole files of a few kilobytes to begin with: each form with all types, and pickles by hand of what PyTorch and numpy write
 * besides. Any number of bytes is reached from them in a few changes.
 */
export function baseFiles() {
  const folder = mkdtempSync(join(tmpdir(), "hire-snn-fuzz-"));
  try {
    const files = ["legacy", "zip", "safetensors"].flatMap((format) =>
      Object.entries(
        format === "safetensors" ? { tensors: tensors() } : { tensors: tensors(), training: training() },
      ).map(([name, value]) => {
        const path = join(folder, name);
        writeCheckpoint(path, value, { format });
        return { name: `${format} ${name}`, content: readFileSync(path) };
      }),
    );
    const byHand = byHandObjects().map(({ name, object }) => ({
      name: `legacy ${name}`,
      content: legacy(object),
    }));
    const unchecked = files
      .filter(({ name }) => name.startsWith("zip"))
      .map(({ name, content }) => ({
        name: `${name}, without checksums`,
        content: withoutChecksums(content),
      }));
    return [...files, ...unchecked, ...byHand];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The files of a folder that are no longer than `longest` bytes. */
export function filesOf(folder, longest) {
  return readdirSync(folder)
    .map((name) => ({ name, path: join(folder, name) }))
    .filter(({ path }) => statSync(path).isFile() && statSync(path).size <= longest)
    .map(({ name, path }) => ({ name, content: readFileSync(path) }));
}

/** With them, hardly any change to an archive's pickle gets as far as the pickle. */
function withoutChecksums(archive) {
  const content = Buffer.from(archive);
  for (const [mark, offset] of [
    ["PK\x03\x04", 14],
    ["PK\x01\x02", 16],
  ]) {
    for (let at = content.indexOf(mark, 0, "latin1"); at >= 0; at = content.indexOf(mark, at + 4, "latin1")) {
      content.writeUInt32LE(0, at + offset);
    }
  }
  return content;
}

function tensors() {
  const arrays = {
    float64: Float64Array,
    float32: Float32Array,
    float16: Uint16Array,
    bfloat16: Uint16Array,
    int64: BigInt64Array,
    int32: Int32Array,
    int16: Int16Array,
    int8: Int8Array,
    uint8: Uint8Array,
    bool: Uint8Array,
  };
  const shapes = [[2, 3], [], [0, 3], [2, 1, 2]];
  return new OrderedMap(
    Object.entries(arrays).map(([dtype, ArrayType], index) => {
      const shape = shapes[index % shapes.length];
      const length = shape.reduce((product, size) => product * size, 1);
      return [`layer.${index}.${dtype}`, new TensorToWrite(dtype, shape, () => new ArrayType(length))];
    }),
  );
}

function training() {
  const weight = new TensorToWrite("float32", [2, 2], () => Float32Array.of(1, 2, 3, 4));
  const state = new OrderedMap([
    ["module.features.0.weight", weight],
    ["module.tied", weight],
  ]);
  state.attributes = new Map([["_metadata", new OrderedMap([["", new Map([["version", 1]])]])]]);
  return new Map([
    ["epoch", 3],
    ["accuracy", 91.73],
    ["arch", "vgg"],
    ["large", 2n ** 70n],
    ["state_dict", state],
    [
      "optimizer",
      new Map([
        ["state", new Map([[0, new Map([["exp_avg", weight]])]])],
        ["groups", [0.5, true, null]],
      ]),
    ],
  ]);
}

function legacy(object) {
  const pickles = [
    "\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.",
    "\x80\x02M\xe9\x03.",
    "\x80\x02}(\x8c\x10protocol_versionM\xe9\x03\x8c\x0dlittle_endian\x88u.",
    object,
    "\x80\x02].",
  ];
  return Buffer.from(pickles.join(""), "latin1");
}

function byHandObjects() {
  const dtype = "cnumpy\ndtype\n(U\x02f4K\x00K\x01tR(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb";
  const array =
    "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR" +
    `(K\x01(K\x02t${dtype}\x89U\x08\0\0\x80\x3f\0\0\0\x40tb`;
  return [
    { name: "numpy array", object: `\x80\x02}U\x01a${array}s.` },
    {
      name: "objects of other classes",
      object:
        "\x80\x02}(U\x01acmy.module\nNet\n)\x81}(U\x01wK\x01U\x01xccopy_reg\n_reconstructor\n(cmy\nA\nc__builtin__\nobject\nNtRubU\x01b(cmy\nB\nK\x05ou.",
    },
    { name: "protocol 0", object: "(dp0\nS'epoch'\np1\nI7\nsS'list'\np2\n(lp3\nL5L\naF1.5\nag0\nas." },
    {
      name: "protocol 4",
      object:
        "\x80\x04\x95\x2a\0\0\0\0\0\0\0}\x94(\x8c\x01a\x94\x8f\x94(K\x01K\x02\x90\x8c\x01b\x94(K\x01\x91\x8c\x01c\x94\x8c\x02my\x94\x8c\x01D\x94\x93)}\x92u.",
    },
  ];
}
