import { ByteReader } from "../../src/checkpoint/byte-reader";
import { sourceOfBytes } from "../../src/checkpoint/byte-source";
import { type NumpyArray, numpyGlobals } from "../../src/checkpoint/numpy-globals";
import {
  OpaqueObject,
  type PickleDict,
  PickleSet,
  type PickleValue,
} from "../../src/checkpoint/pickle-values";
import { unpickle, type Unpickled } from "../../src/checkpoint/unpickler";
import {
  ascii,
  bytes,
  call,
  dict,
  emptyTuple,
  global,
  integer,
  joined,
  list,
  pickle,
  reduce,
  text,
  tuple,
  uint32,
  type Part,
} from "./mini-pickler";
import { containing, errorOf, matching } from "./temporary-folder";

function load(stream: Uint8Array, options: { byteStrings?: "text" | "bytes" } = {}): Unpickled {
  return unpickle(new ByteReader(sourceOfBytes("test", stream)), {
    globals: numpyGlobals("test"),
    ...options,
  });
}

const value = (stream: Uint8Array | string): PickleValue =>
  load(typeof stream === "string" ? ascii(stream) : stream).value;
const refusal = (part: Part): { code: string; message: string } => errorOf(() => load(joined(part)));

describe("values of all protocols", () => {
  test.each<[string, PickleValue]>([
    ["N.", null],
    ["I01\n.", true],
    ["I00\n.", false],
    ["I-7\n.", -7],
    ["L123456789012345678901234567890L\n.", 123456789012345678901234567890n],
    ["F-1.5e3\n.", -1500],
    ["Fnan\n.", NaN],
    ["F-inf\n.", -Infinity],
    ["S'a\\x41\\n\\'b'\n.", "aA\n'b"],
    ["Vgr\\u00fc\xdf\n.", "grüß"],
    ["(I1\nI2\nt.", [1, 2]],
    ["(lp0\nI1\naI2\nag0\n0.", [1, 2]],
    ["K\xff.", 255],
    ["M\x01\x02.", 0x201],
    ["J\xff\xff\xff\xff.", -1],
    ["\x8a\x00.", 0],
    ["\x8a\x01\x80.", -128],
    ["\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01.", 2n ** 64n],
    ["G\x3f\xf8\0\0\0\0\0\0.", 1.5],
    ["U\x03abc.", "abc"],
    ["\x80\x04\x95\x06\0\0\0\0\0\0\0\x8c\x01a\x94\x85\x94.", ["a"]],
    ["K\x01K\x02\x86.", [1, 2]],
    ["C\x02\x00\xff.", bytes(0, 255)],
  ])("%j", (stream, expected) => {
    expect(value(stream)).toEqual(expected);
  });

  test("Python 2's strings are text where they are UTF-8, and bytes on request", () => {
    expect(value("U\x02\xc3\xa9.")).toBe("é");
    expect(value("U\x02\xff\xfe.")).toEqual(bytes(0xff, 0xfe));
    expect(load(ascii("U\x02ab."), { byteStrings: "bytes" }).value).toEqual(ascii("ab"));
  });

  test("dicts compare keys as Python does", () => {
    const found = value("(I1\nS'a'\nI01\nS'b'\n(I1\nS'x'\ntI3\n(I1\nS'x'\ntI4\nS'1'\nI5\nd.") as PickleDict;
    expect([...found.entries()]).toEqual([
      [1, "b"],
      [[1, "x"], 4],
      ["1", 5],
    ]);
    expect(found.get([1, "x"])).toBe(4);
    expect(found.getNamed("1")).toBe(5);
  });

  test("sets", () => {
    expect(value("\x8f(K\x01K\x02\x90.")).toEqual(new PickleSet([1, 2]));
  });

  test("a list that holds itself", () => {
    const found = value("]q\x00h\x00a.") as PickleValue[];
    expect(found[0]).toBe(found);
  });

  test("numpy scalars and arrays, as Python 2 and 3 write them", () => {
    const dtype = (type: string, order: string): Part => [
      call(global("numpy", "dtype"), text(type), integer(0), integer(1)),
      tuple(integer(3), text(order)),
      ascii("b"),
    ];
    const raw = ascii("U\x08\0\0\0\0\0\0\xf8\x3f");
    expect(value(pickle(call(global("numpy.core.multiarray", "scalar"), dtype("f8", "<"), raw)))).toBe(1.5);
    const array = value(
      pickle([
        call(
          global("numpy._core.multiarray", "_reconstruct"),
          global("numpy", "ndarray"),
          tuple(integer(0)),
          text("b"),
        ),
        tuple(
          integer(1),
          tuple(integer(2), integer(1)),
          dtype("u1", "|"),
          bytes(0x89),
          call(global("_codecs", "encode"), text("\u00ff\u0001"), text("latin1")),
        ),
        ascii("b"),
      ]),
    ) as NumpyArray;
    expect(array.shape).toEqual([2, 1]);
    expect(array.data).toEqual(bytes(255, 1));
  });

  test("numpy arrays of protocol 5", () => {
    const type = call(global("numpy", "dtype"), text("u1"), bytes(0x89), bytes(0x88));
    const array = value(
      pickle(
        call(
          global("numpy._core.numeric", "_frombuffer"),
          ...[ascii("C\x02\x07\x08"), type, tuple(integer(2)), text("C")],
        ),
      ),
    ) as NumpyArray;
    expect(array.shape).toEqual([2]);
    expect(array.data).toEqual(bytes(7, 8));
  });
});

describe("a pickle is data", () => {
  test("objects of unknown classes are named and left unread", () => {
    const { value: found, opaqueGlobals } = load(
      pickle([call(global("my.module", "Thing"), integer(3)), dict(["a", integer(1)]), ascii("b")]),
    );
    expect(found).toBeInstanceOf(OpaqueObject);
    expect(opaqueGlobals).toEqual(["my.module.Thing"]);
    expect((found as OpaqueObject).args).toEqual([3]);
    expect(((found as OpaqueObject).state as PickleDict).get("a")).toBe(1);
  });

  test.each([
    ["os", "system"],
    ["posix", "system"],
    ["nt", "system"],
    ["subprocess", "Popen"],
    ["sys", "modules"],
    ["runpy", "run_path"],
    ["shutil", "rmtree"],
    ["importlib", "import_module"],
    ["importlib.util", "find_spec"],
    ["builtins", "eval"],
    ["__builtin__", "exec"],
    ["builtins", "compile"],
    ["builtins", "getattr"],
    ["builtins", "__import__"],
    ["torch.hub", "load"],
    ["torch", "hub.load"],
    ["torch.storage", "_load_from_bytes"],
    ["torch", "serialization.os.system"],
    ["collections", "OrderedDict.__init__.__globals__"],
  ])("%s.%s refuses the file", (module, name) => {
    const named = refusal(pickle(call(global(module, name), text("touch canary"))));
    expect(named).toMatchObject({ code: "CHECKPOINT_UNSAFE", message: containing(`${module}.${name}`) });
    const protocol4 = [bytes(0x80, 4), text(module), text(name), bytes(0x93), ascii(".")];
    expect(refusal(protocol4).code).toBe("CHECKPOINT_UNSAFE");
    expect(refusal(ascii(`(i${module}\n${name}\n.`)).code).toBe("CHECKPOINT_UNSAFE");
  });

  test("copyreg's extension registry refuses the file", () => {
    expect(refusal(bytes(0x80, 2, 0x82, 1, 0x2e)).code).toBe("CHECKPOINT_UNSAFE");
  });

  test("an attribute of an opaque object stays opaque when it is called", () => {
    const chain = [call(global("a", "b"), integer(1)), emptyTuple, reduce];
    expect(value(pickle(chain))).toBeInstanceOf(OpaqueObject);
  });
});

describe("malformed streams", () => {
  test.each<[string, Part]>([
    ["nothing on the stack", ascii(".")],
    ["two values at the end", ascii("NN.")],
    ["an open mark at the end", ascii("N(.")],
    ["no mark", ascii("Nt.")],
    ["a value below the mark popped", ascii("N(a.")],
    ["an unknown instruction", bytes(0xff)],
    ["an unknown memo", ascii("h\x05.")],
    ["append to a dict", ascii("}Na.")],
    ["a key without a value", ascii("}(Nu.")],
    ["a global's name that is no text", ascii("NN\x93.")],
    ["a call of a number", ascii("K\x01)R.")],
    ["arguments that are no tuple", [global("a", "b"), ascii("NR.")]],
    ["a state of a number", ascii("K\x01Nb.")],
    ["a persistent id without storages", ascii("NQ.")],
    ["a buffer outside the pickle", bytes(0x97, 0x2e)],
    ["a text longer than the file", [ascii("X"), uint32(0x7fffffff)]],
    ["bytes of 2^63", joined(bytes(0x8e), bytes(0, 0, 0, 0, 0, 0, 0, 0x80))],
    ["a frame longer than the file", joined(bytes(0x95), bytes(255, 255, 255, 255, 255, 255, 255, 0x7f))],
    ["an integer of a billion bytes", [bytes(0x8b), uint32(1e9)]],
    ["a bad integer", ascii("Iabc\n.")],
    ["a string without quotes", ascii("Sabc\n.")],
  ])("%s", (_what, part) => {
    expect(refusal(part)).toMatchObject({ code: "CHECKPOINT_CORRUPT", message: matching(/byte \d+/) });
  });

  test("a newer protocol is named", () => {
    expect(refusal(bytes(0x80, 6, 0x4e, 0x2e))).toMatchObject({
      code: "CHECKPOINT_FORMAT",
      message: containing("protocol 6"),
    });
  });

  test("a stream cut off anywhere", () => {
    const whole = pickle(dict(["a", list(integer(1), text("b"))], ["c", call(global("x", "y"), integer(2))]));
    for (let length = 0; length < whole.length; length++) {
      expect(errorOf(() => load(whole.subarray(0, length))).code).toBe("CHECKPOINT_CORRUPT");
    }
  });

  test("a hundred thousand levels of nesting are read without recursion", () => {
    const depth = 100_000;
    expect(
      Array.isArray(value(joined(Buffer.alloc(depth, "]"), Buffer.alloc(depth - 1, "a"), ascii(".")))),
    ).toBe(true);
  });

  test("memory is charged: small instructions cannot make large objects without end", () => {
    const bomb = joined(mark(), Buffer.alloc(4_000_000, "}\x94", "latin1"), ascii("t."));
    expect(refusal(bomb)).toMatchObject({ code: "CHECKPOINT_CORRUPT", message: containing("memory") });
  });
});

const mark = (): Uint8Array => ascii("(");

describe("reading through a window", () => {
  test("values across the window's edges", () => {
    // Windows double from 16 KiB: numbers of odd widths cross every edge.
    const numbers = Array.from({ length: 60_000 }, (_, index) => index * 3.25);
    const parts = numbers.map((number) => {
      const part = Buffer.alloc(9);
      part[0] = 0x47;
      part.writeDoubleBE(number, 1);
      return part;
    });
    expect(value(joined(ascii("]("), ...parts, ascii("e.")))).toEqual(numbers);
  });

  test("a text longer than the largest window", () => {
    const long = "x".repeat(3_000_000);
    expect(value(pickle(text(long)))).toBe(long);
    expect(value(ascii(`V${long}\n.`))).toBe(long);
  });
});
