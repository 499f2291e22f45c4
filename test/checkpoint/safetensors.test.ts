import { openCheckpoint } from "../../src/checkpoint/open-checkpoint";
import { int64, joined } from "./mini-pickler";
import { containing, errorOf, matching, temporaryFolder } from "./temporary-folder";

const folder = temporaryFolder();

function safetensors(
  header: string,
  values: Uint8Array = new Uint8Array(0),
  length?: number | bigint,
): Buffer {
  const bytes = Uint8Array.from(Buffer.from(header));
  return joined(int64(length ?? bytes.length), bytes, values);
}

const write = (content: Uint8Array): string => folder.write("x.safetensors", content);
const refusal = (content: Uint8Array): { code: string; message: string } =>
  errorOf(() => openCheckpoint(write(content)));

const entry = (dtype: string, shape: string, offsets: string): string =>
  `{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}`;
const one = entry("F32", "[1]", "[0,4]");
const four = new Uint8Array(4);

test("tensors, whatever their order in the header, and metadata", () => {
  const values = joined(
    new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer),
    new Uint8Array(BigInt64Array.of(-5n).buffer),
    Uint8Array.of(1, 0),
  );
  const header =
    ` {"__metadata__" : {"format":"pt","é\\u00e9\\"":"x"},\n "b": ${entry("BOOL", "[2]", "[24,26]")},` +
    `"n":${entry("I64", "[]", "[16,24]")}, "w":${entry("F32", "[2,2]", "[0,16]")},"e":${entry("F16", "[0,3]", "[26,26]")}}   `;
  // The header has to begin with its brace.
  using checkpoint = openCheckpoint(write(safetensors(header.trimStart(), values)));
  expect(checkpoint.format).toBe("safetensors");
  expect(checkpoint.tensors.get("w")).toEqual({ dtype: "float32", shape: [2, 2], device: "cpu" });
  expect([...checkpoint.read("w")]).toEqual([1, 2, 3, 4]);
  expect([...checkpoint.read("n")]).toEqual([-5n]);
  expect([...checkpoint.read("b")]).toEqual([1, 0]);
  expect(checkpoint.read("e")).toHaveLength(0);
  expect([...checkpoint.extras]).toEqual([
    ["__metadata__.format", "pt"],
    ['__metadata__.éé"', "x"],
  ]);
  expect(checkpoint.stateDict.tensors.size).toBe(4);
});

test("types that are not read are named, and leave the others readable", () => {
  const header = `{"a":${one},"c":${entry("C64", "[1]", "[4,12]")},"f":${entry("F8_E4M3", "[1]", "[12,13]")}}`;
  using checkpoint = openCheckpoint(write(safetensors(header, new Uint8Array(13))));
  expect([...checkpoint.tensors.keys()]).toEqual(["a"]);
  expect(errorOf(() => checkpoint.read("c"))).toMatchObject({
    code: "CHECKPOINT_FORMAT",
    message: containing("complex64"),
  });
  expect(errorOf(() => checkpoint.read("f")).message).toContain("float8_e4m3fn");
});

test.each<[string, Buffer, string]>([
  ["a header longer than the file", safetensors(`{"a":${one}}`, four, 1000), "1000"],
  ["a header of 2^47 bytes", safetensors("{}", four, 2n ** 47n), "at most"],
  ["values that are missing", safetensors(`{"a":${one}}`), "expected 4 bytes"],
  ["values behind the last", safetensors(`{"a":${one}}`, new Uint8Array(5)), "1 more bytes"],
  [
    "a gap",
    safetensors(`{"a":${one},"b":${entry("U8", "[1]", "[5,6]")}}`, new Uint8Array(6)),
    "without gaps",
  ],
  ["an overlap", safetensors(`{"a":${one},"b":${one}}`, four), "overlaps"],
  ["more values than bytes", safetensors(`{"a":${entry("F32", "[2]", "[0,4]")}}`, four), "2 values"],
  [
    "2^100 values",
    safetensors(`{"a":${entry("F32", "[1125899906842624,1125899906842624]", "[0,4]")}}`, four),
    "values",
  ],
  ["a negative offset", safetensors(`{"a":${entry("F32", "[1]", "[-4,0]")}}`, four), "whole number"],
  ["offsets in disorder", safetensors(`{"a":${entry("F32", "[1]", "[4,0]")}}`, four), "in order"],
  ["a fraction", safetensors(`{"a":${entry("F32", "[1.0]", "[0,4]")}}`, four), "end of the list"],
  [
    "a number of 10^20",
    safetensors(`{"a":${entry("F32", "[100000000000000000000]", "[0,4]")}}`, four),
    "whole number",
  ],
  ["a name twice", safetensors(`{"a":${one},"\\u0061":${one}}`, four), "each name once"],
  [
    "a key twice",
    safetensors(`{"a":{"dtype":"F32","dtype":"F64","shape":[1],"data_offsets":[0,4]}}`, four),
    "each once",
  ],
  [
    "an unknown key",
    safetensors(`{"a":{"dtype":"F32","x":1,"shape":[1],"data_offsets":[0,4]}}`, four),
    "each once",
  ],
  ["no shape", safetensors(`{"a":{"dtype":"F32","data_offsets":[0,4]}}`, four), "with its"],
  ["three offsets", safetensors(`{"a":${entry("F32", "[1]", "[0,4,4]")}}`, four), "at most 2"],
  ["metadata that is no text", safetensors(`{"__metadata__":{"a":1}}`), "in quotes"],
  ["metadata twice", safetensors(`{"__metadata__":{},"__metadata__":{}}`), "each name once"],
  ["text behind the header", safetensors(`{"a":${one}} x`, four), "end of the header"],
  ["an array", safetensors("{[]}"), "in quotes"],
  ["a text without an end", safetensors('{"abc'), "end of the text"],
  ["a text that ends in an escape", safetensors('{"abc\\'), "end of the text"],
  ["a bad escape", safetensors('{"\\x":1}'), "text of JSON"],
  ["a line feed in a text", safetensors('{"a\nb":1}'), "text of JSON"],
  [
    "65 dimensions",
    safetensors(`{"a":${entry("F32", `[${Array(65).fill(1).join(",")}]`, "[0,4]")}}`, four),
    "at most 64",
  ],
])("%s is refused", (_what, content, what) => {
  expect(refusal(content)).toMatchObject({ code: "CHECKPOINT_CORRUPT", message: matching(/byte \d+/) });
  expect(refusal(content).message).toContain(what);
});

test("an unknown type and bytes that are no UTF-8", () => {
  expect(refusal(safetensors(`{"a":${entry("X9", "[1]", "[0,4]")}}`, four))).toMatchObject({
    code: "CHECKPOINT_FORMAT",
    message: containing('"X9"'),
  });
  const header = Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x7b, 0x7d, 0x7d);
  expect(refusal(joined(int64(header.length), header)).message).toContain("UTF-8");
});

test("a file cut off anywhere is refused", () => {
  const whole = safetensors(`{"a":${one}}`, four);
  for (let length = 0; length < whole.length; length++) {
    const { code } = refusal(whole.subarray(0, length));
    // From the opening brace on, the form is known.
    expect(code).toBe(length < 9 ? "CHECKPOINT_FORMAT" : "CHECKPOINT_CORRUPT");
  }
});
