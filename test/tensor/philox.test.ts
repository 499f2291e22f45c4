import { philox4x32 } from "../../src/tensor/philox";

function block(counter: [number, number, number, number], key: [number, number]): string[] {
  const out = new Uint32Array(4);
  philox4x32(...counter, ...key, out);
  return Array.from(out, (word) => word.toString(16).padStart(8, "0"));
}

describe("Philox4x32-10", () => {
  // kat_vectors of Random123
  test.each([
    {
      counter: [0, 0, 0, 0],
      key: [0, 0],
      expected: ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"],
    },
    {
      counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      key: [0xffffffff, 0xffffffff],
      expected: ["408f276d", "41c83b0e", "a20bc7c6", "6d5451fd"],
    },
    {
      counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      key: [0xa4093822, 0x299f31d0],
      expected: ["d16cfe09", "94fdcceb", "5001e420", "24126ea1"],
    },
  ])("gives the known answer of $expected", ({ counter, key, expected }) => {
    expect(block(counter as [number, number, number, number], key as [number, number])).toEqual(expected);
  });
});
