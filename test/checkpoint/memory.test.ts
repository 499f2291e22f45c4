import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describeUnless } from "../support/skip";
import {
  ascii,
  bytes,
  call,
  dict,
  global,
  int64,
  integer,
  joined,
  legacyFile,
  list,
  storage,
  tensor,
  text,
  tuple,
  uint32,
  type Part,
} from "./mini-pickler";
import { temporaryFolder } from "./temporary-folder";

interface Opened {
  readonly code: string;
  readonly message: string;
  readonly seconds: number;
  readonly addedBytes: number;
}

const folder = temporaryFolder();
const repeat = (content: string, times: number): Buffer =>
  Buffer.alloc(content.length * times, content, "latin1");
const each = (count: number, part: (index: number) => Part): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, index) => joined(part(index))));
const ones = tuple(...Array.from({ length: 64 }, () => integer(1)));
const mark = ascii("(");
const remember = ascii("\x94");
const first = "h\x00";
const drop = ascii("0");

/** Each makes far more objects than its bytes, in a way of its own. */
const amplifiers: [string, () => Part][] = [
  ["constants on the stack", () => repeat("N", 30_000_000)],
  ["empty lists", () => repeat("]", 3_000_000)],
  ["lists of one", () => [global("a", "b"), remember, repeat(`${first})RNa`, 1_000_000)]],
  ["empty dicts", () => repeat("}\x94", 2_000_000)],
  ["dicts of one", () => repeat("}K\x01Ns", 700_000)],
  ["open marks", () => repeat("(", 5_000_000)],
  ["memos out of order", () => [ascii("N"), each(700_000, (index) => [ascii("r"), uint32(1e8 + 7 * index)])]],
  [
    "keys of a dict",
    () => [ascii("}("), each(400_000, (index) => [text(String(1e7 + index)), ascii("N")]), ascii("u")],
  ],
  ["bytes, one by one", () => repeat("C\x01x", 700_000)],
  ["texts of wide characters", () => repeat(`\x8c\x14\xe2\x82\xac${"x".repeat(17)}`, 1_000_000)],
  ["large integers", () => repeat(`\x8a\x09${"\x01".repeat(9)}`, 1_000_000)],
  ["a long line without an end", () => repeat("V", 30_000_000)],
  ["names of classes", () => each(700_000, (index) => [global("m", `n${index}`), drop])],
  ["objects of a class", () => [global("a", "b"), remember, repeat(`${first})R}b`, 1_000_000)]],
  [
    "copies of a dict",
    () => [
      global("collections", "OrderedDict"),
      ...[
        remember,
        drop,
        mark,
        each(50_000, (index) => [integer(index), ascii("N\x86")]),
        ascii("l\x85"),
        remember,
        drop,
      ],
      repeat("h\x00h\x01R", 100_000),
    ],
  ],
  [
    "copies of a text as bytes",
    () => [
      ...[
        global("_codecs", "encode"),
        remember,
        drop,
        tuple(text("x".repeat(1_000_000)), text("latin1")),
        remember,
        drop,
      ],
      repeat("h\x00h\x01R", 100_000),
    ],
  ],
  [
    "tensors of 64 dimensions",
    () => [
      ...[global("torch._utils", "_rebuild_tensor_v2"), remember, drop],
      tuple(storage("0", 1), integer(0), ones, ones),
      ...[remember, drop, repeat("h\x00h\x01R", 300_000)],
    ],
  ],
  [
    "a long list under many names",
    () => [...[list(), mark, repeat("N", 900_000), ascii("e"), remember, drop], manyNames],
  ],
  ["a long text under many names", () => [list(text("x".repeat(1_000_000))), remember, drop, manyNames]],
  [
    "entries with one name",
    () => [global("a", "b"), remember, ascii("0}("), repeat(`${first})RN`, 200_000), ascii("u")],
  ],
  [
    "numpy arrays",
    () => [global("numpy.core.multiarray", "_reconstruct"), remember, drop, repeat(`${first})R`, 1_000_000)],
  ],
];
const manyNames: Part = [list(), mark, repeat(first, 250_000), ascii("e")];

// Where the most that a process took cannot be asked for without its parent's, there is nothing to compare.
const reason = process.platform === "linux" ? null : "it reads /proc, which Linux has";

describeUnless(reason, "hostile files stay within twice their size and 64 MiB", () => {
  const open = async (content: Uint8Array): Promise<Opened> => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      join(__dirname, "open-in-child.mjs"),
      folder.write("hostile.pt", content),
    ]);
    return JSON.parse(stdout) as Opened;
  };

  test.each(amplifiers)("%s", async (_name, object) => {
    const content = legacyFile(object());
    const { code, seconds, addedBytes } = await open(content);
    expect(code).toBe("CHECKPOINT_CORRUPT");
    expect(addedBytes).toBeLessThanOrEqual(2 * content.length + 64 * 2 ** 20);
    expect(seconds).toBeLessThan(10);
  });

  test("one value shown millions of times", async () => {
    const wide = tensor(storage("0", 1), [20_000_000], { strides: [0] });
    const content = legacyFile(wide, { 0: Float32Array.of(1) });
    const { code, addedBytes } = await open(content);
    expect(code).toBe("CHECKPOINT_CORRUPT");
    expect(addedBytes).toBeLessThanOrEqual(2 * content.length + 64 * 2 ** 20);
  });

  test("a safetensors header of a million entries", async () => {
    const entries = Array.from({ length: 1_000_000 }, (_, index) => `"${index}":""`).join(",");
    const header = ascii(`{"__metadata__":{${entries}}}`);
    const content = joined(int64(header.length), header);
    const { code, addedBytes } = await open(content);
    expect(code).toBe("CHECKPOINT_CORRUPT");
    expect(addedBytes).toBeLessThanOrEqual(2 * content.length + 64 * 2 ** 20);
  });

  test("an honest large file, tensor by tensor: what was read and dropped does not add up", async () => {
    const count = 20;
    const length = 2 ** 20;
    const storages = Object.fromEntries(
      Array.from({ length: count }, (_, index) => [index, new Float32Array(length)]),
    );
    const object = dict(
      ...Array.from({ length: count }, (_, index): [string, Part] => [
        `w${index}`,
        tensor(storage(String(index), length), [length]),
      ]),
    );
    const content = legacyFile(object, storages);
    const { code, addedBytes } = await open(content);
    expect(code).toBe("");
    // Less than the file itself.
    expect(addedBytes).toBeLessThan(64 * 2 ** 20);
  });
});

test("the helpers make what they say", () => {
  expect(
    joined(
      repeat("ab", 2),
      each(2, (index) => bytes(index)),
      call(global("a", "b")),
    ),
  ).toEqual(joined(ascii("abab\x00\x01ca\nb\n(tR")));
});
