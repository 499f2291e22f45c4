import { parseBoolean, parseInteger, parseNumber, parseNumbers, parseSeed } from "../../src/cli/numbers";

const refusal = expect.objectContaining({ code: "INVALID_ARGUMENT" }) as Error;

test.each([
  ["0.031", 0.031],
  ["8/255", 8 / 255],
  ["1e-2", 0.01],
  [".5", 0.5],
  [" 2 / 255 ", 2 / 255],
  ["0", 0],
])("parseNumber(%j)", (text, value) => {
  expect(parseNumber(text, "--epsilon")).toBe(value);
});

test.each(["", "abc", "8/", "/255", "1/0", "1/2/3", "0x10", "1e999", "8 255", "Infinity"])(
  "parseNumber refuses %j",
  (text) => {
    expect(() => parseNumber(text, "--epsilon")).toThrow(refusal);
    expect(() => parseNumber(text, "--epsilon")).toThrow(`for --epsilon but received "${text}"`);
  },
);

test("parseNumbers", () => {
  expect(parseNumbers("0.485,0.456, 1/4", "--mean")).toEqual([0.485, 0.456, 0.25]);
  for (const text of ["", "1,", ",1", "1 2", "1;2"])
    expect(() => parseNumbers(text, "--mean")).toThrow(refusal);
});

test("parseInteger", () => {
  expect(parseInteger("32", "--batch-size", 1)).toBe(32);
  for (const text of ["0", "-1", "1.5", "1e3", "", "9007199254740993"]) {
    expect(() => parseInteger(text, "--batch-size", 1)).toThrow(refusal);
  }
});

test("parseSeed keeps 64 bits", () => {
  expect(parseSeed("7", "--seed")).toBe(7);
  expect(parseSeed("18446744073709551615", "--seed")).toBe(2n ** 64n - 1n);
  for (const text of ["-1", "18446744073709551616", "1.5", "x"])
    expect(() => parseSeed(text, "--seed")).toThrow(refusal);
});

test("parseBoolean", () => {
  expect([parseBoolean("true", "x"), parseBoolean("false", "x")]).toEqual([true, false]);
  expect(() => parseBoolean("yes", "x")).toThrow(refusal);
});
