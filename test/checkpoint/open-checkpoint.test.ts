import { crc32 } from "node:zlib";
import { openCheckpoint } from "../../src/checkpoint/open-checkpoint";
import { sha256OfFile } from "../../src/checkpoint/file-hash";
import {
  ascii,
  call,
  dict,
  emptyTuple,
  global,
  int64,
  integer,
  joined,
  legacyFile,
  list,
  none,
  pickle,
  reduce,
  storage,
  tensor,
  text,
  tuple,
  zipCheckpoint,
  zipFile,
  type Part,
} from "./mini-pickler";
import { containing, errorOf, matching, temporaryFolder } from "./temporary-folder";

const folder = temporaryFolder();
const values = (length: number): Float32Array => Float32Array.from({ length }, (_, index) => index + 0.5);
const write = (content: Uint8Array): string => folder.write("x.pt", content);
const refusal = (content: Uint8Array): { code: string; message: string } =>
  errorOf(() => openCheckpoint(write(content)));

const forms = { legacy: legacyFile, zip: zipCheckpoint };

describe.each(["legacy", "zip"] as const)("the %s form", (format) => {
  const file = (object: Part, storages?: Record<string, Float32Array>): string =>
    write(forms[format](object, storages));

  test("tensors by path, values row-major, everything else beside them", () => {
    using checkpoint = openCheckpoint(
      file(
        dict(
          ["w", tensor(storage("0", 6, { device: "cuda:0" }), [2, 3])],
          ["t", tensor(storage("0", 6, { device: "cuda:0" }), [3, 2], { strides: [1, 3] })],
          ["row", tensor(storage("0", 6, { device: "cuda:0" }), [3], { offset: 3 })],
          ["wide", tensor(storage("1", 1), [2, 2], { strides: [0, 0] })],
          ["scalar", tensor(storage("1", 1), [])],
          ["empty", tensor(storage("2", 0), [0, 3])],
          ["nested", dict(["list", list(tensor(storage("1", 1), [1]), integer(5))], ["name", text("n")])],
          ["numbers", list(integer(1), integer(2))],
          ["nothing", none],
        ),
        { 0: values(6), 1: Float32Array.of(7), 2: values(0) },
      ),
    );
    expect(checkpoint.format).toBe(format);
    expect([...checkpoint.tensors.keys()]).toEqual([
      "w",
      "t",
      "row",
      "wide",
      "scalar",
      "empty",
      "nested.list.0",
    ]);
    expect(checkpoint.tensors.get("w")).toEqual({ dtype: "float32", shape: [2, 3], device: "cuda:0" });
    expect([...checkpoint.read("w")]).toEqual([0.5, 1.5, 2.5, 3.5, 4.5, 5.5]);
    expect([...checkpoint.read("t")]).toEqual([0.5, 3.5, 1.5, 4.5, 2.5, 5.5]);
    expect([...checkpoint.read("row")]).toEqual([3.5, 4.5, 5.5]);
    expect([...checkpoint.read("wide")]).toEqual([7, 7, 7, 7]);
    expect([...checkpoint.read("scalar")]).toEqual([7]);
    expect(checkpoint.read("empty")).toHaveLength(0);
    expect([...checkpoint.extras]).toEqual([
      ["nested.list.1", 5],
      ["nested.name", "n"],
      ["numbers", [1, 2]],
      ["nothing", null],
    ]);
    expect(errorOf(() => checkpoint.read("v")).code).toBe("INVALID_ARGUMENT");
    checkpoint.close();
    expect(errorOf(() => checkpoint.read("row2")).code).toBe("INVALID_ARGUMENT");
  });

  test("tied weights share an array, others do not", () => {
    using checkpoint = openCheckpoint(
      file(
        dict(
          ["w", tensor(storage("0", 6), [2, 3])],
          ["tied", tensor(storage("0", 6), [2, 3])],
          ["flat", tensor(storage("0", 6), [6])],
        ),
        { 0: values(6) },
      ),
    );
    expect(checkpoint.read("w")).toBe(checkpoint.read("tied"));
    expect(checkpoint.read("flat")).not.toBe(checkpoint.read("flat"));
  });

  test("a bare tensor has the empty path", () => {
    using checkpoint = openCheckpoint(file(tensor(storage("0", 2), [2]), { 0: values(2) }));
    expect([...checkpoint.read("")]).toEqual([0.5, 1.5]);
  });

  test("a wrapped state dict with DataParallel's prefix", () => {
    const one = tensor(storage("0", 1), [1]);
    using checkpoint = openCheckpoint(
      file(
        dict(
          ["epoch", integer(3)],
          ["state_dict", dict(["module.a.weight", one], ["module.b.weight", one])],
          ["optimizer", dict(["state", one])],
        ),
        { 0: values(1) },
      ),
    );
    const { stateDict } = checkpoint;
    expect(stateDict).toMatchObject({ path: "state_dict", modulePrefix: true, others: [] });
    expect([...stateDict.tensors].map(([key, { path }]) => [key, path])).toEqual([
      ["a.weight", "state_dict.module.a.weight"],
      ["b.weight", "state_dict.module.b.weight"],
    ]);
  });

  test("a tensor of a type that is not read is named and refused, and leaves the others readable", () => {
    const object = dict(
      ["c", tensor(storage("0", 1, { type: "ComplexFloatStorage" }), [1])],
      ["a", tensor(storage("1", 1), [1])],
    );
    // The eight bytes of two float32 are one complex64.
    const storages = { 0: values(2), 1: values(1) };
    const content =
      format === "zip" ? zipCheckpoint(object, storages) : legacyFile(object, storages, { counts: { 0: 1 } });
    using checkpoint = openCheckpoint(write(content));
    expect(errorOf(() => checkpoint.read("c"))).toMatchObject({
      code: "CHECKPOINT_FORMAT",
      message: containing("complex64"),
    });
    expect([...checkpoint.read("a")]).toEqual([0.5]);
  });

  test.each<[string, Part, Record<string, Float32Array>]>([
    ["reaches past its storage", tensor(storage("0", 2), [3]), { 0: values(2) }],
    [
      "reaches past it by its strides",
      tensor(storage("0", 4), [2, 2], { strides: [3, 1] }),
      { 0: values(4) },
    ],
    ["reaches past it by its offset", tensor(storage("0", 2), [2], { offset: 1 }), { 0: values(2) }],
    ["has 2^60 elements", tensor(storage("0", 2), [2n ** 60n]), { 0: values(2) }],
    ["has 2^120 elements", tensor(storage("0", 2), [2n ** 60n, 2n ** 60n]), { 0: values(2) }],
    ["has a negative size", tensor(storage("0", 2), [-1]), { 0: values(2) }],
    ["has a negative stride", tensor(storage("0", 2), [2], { strides: [-1], offset: 1 }), { 0: values(2) }],
    ["has fewer strides than dimensions", tensor(storage("0", 2), [2], { strides: [] }), { 0: values(2) }],
    ["names a storage of 2^60 elements", tensor(storage("0", 2n ** 60n), [1]), { 0: values(2) }],
    ["names a storage of 2^50 elements", tensor(storage("0", 2n ** 50n), [1]), { 0: values(2) }],
    ["names a storage of another size", tensor(storage("0", 3), [1]), { 0: values(2) }],
    ["names a storage that is not there", tensor(storage("1", 2), [1]), { 0: values(2) }],
    [
      "gives one storage two types",
      list(tensor(storage("0", 2), [1]), storage("0", 2, { type: "IntStorage" })),
      { 0: values(2) },
    ],
    ["is a call without a storage", call(global("torch._utils", "_rebuild_tensor_v2"), none), {}],
  ])("refuses a tensor that %s", (_what, object, storages) => {
    expect(refusal(forms[format](object, storages))).toMatchObject({
      code: "CHECKPOINT_CORRUPT",
      message: matching(/byte \d+/),
    });
  });

  test("refuses to expand a value beyond memory", () => {
    using checkpoint = openCheckpoint(
      file(dict(["a", tensor(storage("0", 1), [2 ** 40], { strides: [0] })]), { 0: values(1) }),
    );
    expect(errorOf(() => checkpoint.read("a")).code).toBe("CHECKPOINT_CORRUPT");
  });

  test("refuses a pickled module and an unsafe global", () => {
    const module = [
      tuple(text("module"), global("torch.nn", "Linear"), text("m.py"), text("source")),
      ascii("Q"),
    ];
    expect(refusal(forms[format](module)).code).toBe("CHECKPOINT_UNSAFE");
    expect(refusal(forms[format](call(global("os", "system"), text("true")))).code).toBe("CHECKPOINT_UNSAFE");
  });

  test("unknown classes are warned of, and tensors in their state are found", () => {
    using checkpoint = openCheckpoint(
      file([global("my", "Net"), emptyTuple, reduce, dict(["w", tensor(storage("0", 1), [1])]), ascii("b")], {
        0: values(1),
      }),
    );
    expect(checkpoint.opaqueGlobals).toEqual(["my.Net"]);
    expect(checkpoint.warnings.join()).toContain("my.Net");
    expect([...checkpoint.tensors.keys()]).toEqual(["w"]);
  });

  test("tensors are found in what else an unknown class is made of: slots, items, entries, arguments", () => {
    const one = tensor(storage("0", 1), [1]);
    const made = (...parts: Part[]): Part => [global("my", "Net"), emptyTuple, reduce, ...parts];
    using checkpoint = openCheckpoint(
      file(
        dict(
          ["slots", made(tuple(none, dict(["w", one])), ascii("b"))],
          ["items", made(one, ascii("a"))],
          ["entries", made(text("w"), one, ascii("s"))],
          ["arguments", call(global("my", "make"), integer(1), one)],
          ["renamed", [tuple(), ascii("0"), made(dict(["w", global("my", "Other")]), ascii("b"))]],
        ),
        { 0: values(1) },
      ),
    );
    expect([...checkpoint.tensors.keys()]).toEqual(["slots.w", "items.0", "entries.w", "arguments.1"]);
    expect(checkpoint.opaqueGlobals).toEqual(["my.Net", "my.make", "my.Other"]);
  });

  test("a long dict of plain values is one entry", () => {
    const words = Array.from({ length: 1001 }, (_, index): [string, Part] => [
      `word ${index}`,
      integer(index),
    ]);
    using checkpoint = openCheckpoint(
      file(dict(["words", dict(...words)], ["few", dict(...words.slice(0, 2))])),
    );
    expect([...checkpoint.extras]).toEqual([
      ["words", { kind: "object", what: "a dict of 1001 plain values" }],
      ["few.word 0", 0],
      ["few.word 1", 1],
    ]);
  });

  test("entries that look alike are numbered", () => {
    const key = call(global("my", "Key"));
    using checkpoint = openCheckpoint(
      file([ascii("}("), key, integer(1), key, integer(2), text("<my.Key> (2)"), integer(3), ascii("u")]),
    );
    expect([...checkpoint.extras]).toEqual([
      ["<my.Key>", 1],
      ["<my.Key> (2)", 2],
      ["<my.Key> (2) (2)", 3],
    ]);
    expect(checkpoint.warnings.join()).toContain("Two entries have the path");
  });

  test("cycles and repetition end", () => {
    const cycle = [ascii("}q\x63"), text("self"), ascii("h\x63s")];
    using checkpoint = openCheckpoint(file(cycle));
    expect(checkpoint.extras.get("self")).toMatchObject({ kind: "reference" });

    // Each list holds the one before twice: 2^40 entries in a few hundred bytes.
    const laughs = [ascii("]q\x00Na}a"), ...Array.from({ length: 40 }, () => ascii("q\x010](h\x01h\x01e"))];
    expect(refusal(forms[format](laughs)).code).toBe("CHECKPOINT_CORRUPT");
  });

  test("a file cut off anywhere is refused", () => {
    const whole = forms[format](dict(["a", tensor(storage("0", 3), [3])], ["n", integer(1)]), {
      0: values(3),
    });
    for (let length = 0; length < whole.length; length++) {
      const { code } = refusal(whole.subarray(0, length));
      // Up to four bytes could be anything; from then on the form is known.
      expect(length < 4 ? ["CHECKPOINT_FORMAT", "CHECKPOINT_CORRUPT"] : ["CHECKPOINT_CORRUPT"]).toContain(
        code,
      );
    }
  });

  test("a changed byte gives other values or a coded error, never another failure", () => {
    const whole = forms[format](dict(["a", tensor(storage("0", 3), [3])], ["n", integer(1)]), {
      0: values(3),
    });
    for (let index = 0; index < whole.length; index++) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const changed = Uint8Array.from(whole);
        changed[index]! ^= flip;
        try {
          using checkpoint = openCheckpoint(write(changed));
          for (const path of checkpoint.tensors.keys()) checkpoint.read(path);
        } catch (error) {
          expect(error).toMatchObject({ name: "HireSnnError", code: matching(/^CHECKPOINT_/) });
        }
      }
    }
  });
});

describe("the legacy form alone", () => {
  const object = dict(["a", tensor(storage("0", 4, { view: none }), [4])]);

  test("views of a storage", () => {
    const view = tuple(text("v"), integer(1), integer(2));
    using checkpoint = openCheckpoint(
      write(legacyFile(tensor(storage("0", 4, { view }), [1], { offset: 1 }), { 0: values(4) })),
    );
    expect([...checkpoint.read("")]).toEqual([2.5]);
    const beyond = tuple(text("v"), integer(3), integer(2));
    expect(refusal(legacyFile(storage("0", 4, { view: beyond }), { 0: values(4) })).code).toBe(
      "CHECKPOINT_CORRUPT",
    );
    const pastView = legacyFile(tensor(storage("0", 4, { view }), [3]), { 0: values(4) });
    expect(refusal(pastView).code).toBe("CHECKPOINT_CORRUPT");
  });

  test("a storage whose count lies", () => {
    for (const count of [0, -1, 5, 2n ** 60n]) {
      expect(refusal(legacyFile(object, { 0: values(4) }, { counts: { 0: count } }))).toMatchObject({
        code: "CHECKPOINT_CORRUPT",
        message: containing(`found ${count}`),
      });
    }
  });

  test("big-endian machines and other versions are named", () => {
    expect(refusal(legacyFile(object, { 0: values(4) }, { littleEndian: false }))).toMatchObject({
      code: "CHECKPOINT_FORMAT",
      message: containing("little-endian"),
    });
    expect(refusal(legacyFile(object, { 0: values(4) }, { protocol: 1002 })).code).toBe("CHECKPOINT_FORMAT");
  });

  test("a stream of a later pickle protocol, which frames its values", () => {
    const plain = legacyFile(object, { 0: values(4) });
    // The magic number's pickle: PROTO 2, 13 bytes.
    const framed = joined(ascii("\x80\x04\x95\x0d\0\0\0\0\0\0\0"), plain.subarray(2));
    using checkpoint = openCheckpoint(write(framed));
    expect([...checkpoint.read("a")]).toEqual([0.5, 1.5, 2.5, 3.5]);
  });

  test("bytes behind the end are warned of", () => {
    using checkpoint = openCheckpoint(write(joined(legacyFile(object, { 0: values(4) }), int64(0))));
    expect(checkpoint.warnings.join()).toContain("8 bytes");
  });
});

describe("the zip form alone", () => {
  const data = pickle(dict(["a", tensor(storage("0", 2), [2])]));
  const raw = new Uint8Array(values(2).buffer);

  test("checksums are verified where there are any", () => {
    const archive = (sum: number): Buffer =>
      zipFile([
        { name: "a/data.pkl", data, crc32: crc32(data) },
        { name: "a/data/0", data: raw, crc32: sum },
      ]);
    using checkpoint = openCheckpoint(write(archive(crc32(raw))));
    expect([...checkpoint.read("a")]).toEqual([0.5, 1.5]);
    using damaged = openCheckpoint(write(archive(crc32(raw) ^ 1)));
    expect(errorOf(() => damaged.read("a"))).toMatchObject({
      code: "CHECKPOINT_CORRUPT",
      message: containing("checksum"),
    });
    expect(refusal(zipFile([{ name: "a/data.pkl", data, crc32: 1 }])).code).toBe("CHECKPOINT_CORRUPT");
  });

  test.each<[string, Buffer, string]>([
    ["big-endian", zipCheckpoint(integer(1), {}, "big"), "CHECKPOINT_FORMAT"],
    ["of a strange byte order", zipCheckpoint(integer(1), {}, "middle"), "CHECKPOINT_CORRUPT"],
    ["without an object", zipFile([{ name: "a/b", data: raw }]), "CHECKPOINT_FORMAT"],
    ["empty", zipFile([]), "CHECKPOINT_FORMAT"],
    ["compressed", zipFile([{ name: "a/data.pkl", data, method: 8 }]), "CHECKPOINT_FORMAT"],
    [
      "with an entry past the end",
      zipFile([{ name: "a/data.pkl", data, offset: 1e6 }]),
      "CHECKPOINT_CORRUPT",
    ],
    ["with an entry too large", zipFile([{ name: "a/data.pkl", data, size: 1e6 }]), "CHECKPOINT_CORRUPT"],
    [
      "with an entry twice",
      zipFile([
        { name: "a/data.pkl", data },
        { name: "a/data.pkl", data },
      ]),
      "CHECKPOINT_CORRUPT",
    ],
    [
      "with another entry's content",
      zipFile([
        { name: "a/x.pkl", data },
        { name: "a/data.pkl", data, offset: 0 },
      ]),
      "CHECKPOINT_CORRUPT",
    ],
    [
      "a TorchScript archive",
      zipFile([
        { name: "a/data.pkl", data },
        { name: "a/constants.pkl", data },
      ]),
      "CHECKPOINT_FORMAT",
    ],
  ])("an archive %s", (_what, archive, code) => {
    expect(refusal(archive).code).toBe(code);
  });
});

describe("other files", () => {
  test.each<[string, Uint8Array, string]>([
    ["empty", ascii(""), "empty"],
    ["a web page", ascii("<!DOCTYPE html><html>"), "web page"],
    ["a pointer of Git LFS", ascii("version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"],
    ["gzip", ascii("\x1f\x8b\x08"), "gzip"],
    ["a plain pickle", pickle(dict(["a", integer(1)])), "plain pickle"],
    ["JSON", ascii('{ "a": 1 }'), "JSON"],
    ["text", ascii("hello"), "no checkpoint"],
  ])("%s", (_what, content, named) => {
    expect(refusal(content)).toMatchObject({ code: "CHECKPOINT_FORMAT", message: containing(named) });
  });

  test("no file and a folder", () => {
    expect(errorOf(() => openCheckpoint("/nowhere/x.pt"))).toMatchObject({ code: "IO" });
    expect(errorOf(() => openCheckpoint(__dirname))).toMatchObject({ code: "CHECKPOINT_FORMAT" });
  });
});

test("sha256OfFile", async () => {
  const path = folder.write("abc", "abc");
  await expect(sha256OfFile(path)).resolves.toBe(
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
  await expect(sha256OfFile(`${path}d`)).rejects.toMatchObject({ code: "IO" });
  const reason = new Error("enough");
  await expect(sha256OfFile(path, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});
