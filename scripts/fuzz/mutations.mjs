import fc from "fast-check";

/** Numbers on which sizes and offsets break. */
const edges = [0, 1, 2, 7, 8, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff];
/** Pickle instructions that move objects about, make them, or name code. */
const opcodes = [
  ..."(.012NRQabcdeghijlopqrstu])}XBCKMJG",
  "\x80",
  "\x81",
  "\x85",
  "\x86",
  "\x87",
  "\x88",
  "\x8a",
  "\x8c",
]
  .concat(["\x8e", "\x8f", "\x90", "\x91", "\x92", "\x93", "\x94", "\x95", "\x96"])
  .map((character) => character.charCodeAt(0));
const texts = [
  "cos\nsystem\n",
  "cbuiltins\neval\n",
  "ctorch._utils\n_rebuild_tensor_v2\n",
  "ccollections\nOrderedDict\n",
]
  .concat([
    "cmy\nThing\n",
    "storage",
    "module",
    "FloatStorage",
    "DoubleStorage",
    '"data_offsets"',
    "[0,0]",
    "PK\x01\x02",
  ])
  .map((text) => Buffer.from(text, "latin1"));

/** Some changes to a file; places are fractions of its length, so that they shrink well and fit every file. */
export function mutations() {
  // Not fc.double: most doubles below 1 are next to nothing, and every file would be changed in its first byte.
  const at = fc.noBias(fc.nat(2 ** 30 - 1)).map((number) => number / 2 ** 30);
  const length = fc.integer({ min: 1, max: 64 });
  const change = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("byte"), at, value: fc.nat(255) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("bit"), at, value: fc.nat(7) }) },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant("opcode"), at, value: fc.constantFrom(...opcodes) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("number"),
        at,
        value: fc.constantFrom(...edges),
        width: fc.constantFrom(2, 4, 8),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant("insert"), at, value: fc.constantFrom(...texts) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("cut"), at }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("remove"), at, length }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("move"), at, from: at, length }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("repeat"),
        at,
        length,
        times: fc.integer({ min: 1, max: 8 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("splice"), at, from: at }) },
  );
  return fc.array(change, { minLength: 1, maxLength: 4 });
}

/** @param other another file, of which a splice takes the rest */
export function mutated(content, changes, other) {
  return changes.reduce((bytes, change) => apply(bytes, change, other), Buffer.from(content));
}

function apply(bytes, change, other) {
  if (bytes.length === 0) return bytes;
  const at = Math.floor(change.at * bytes.length);
  const place = (fraction, of) => Math.floor(fraction * of.length);
  switch (change.kind) {
    case "byte":
    case "opcode":
      bytes[at] = change.value;
      return bytes;
    case "bit":
      bytes[at] ^= 1 << change.value;
      return bytes;
    case "number": {
      const number = Buffer.alloc(8);
      number.writeBigUInt64LE(BigInt(change.value));
      number.copy(bytes, at, 0, change.width);
      return bytes;
    }
    case "insert":
      return Buffer.concat([bytes.subarray(0, at), change.value, bytes.subarray(at)]);
    case "cut":
      return bytes.subarray(0, at);
    case "remove":
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + change.length)]);
    case "move": {
      const from = place(change.from, bytes);
      return Buffer.concat([
        bytes.subarray(0, at),
        bytes.subarray(from, from + change.length),
        bytes.subarray(at),
      ]);
    }
    case "repeat": {
      const piece = bytes.subarray(at, at + change.length);
      return Buffer.concat([bytes.subarray(0, at), ...Array(change.times).fill(piece), bytes.subarray(at)]);
    }
    case "splice":
      return Buffer.concat([bytes.subarray(0, at), other.subarray(place(change.from, other))]);
    default:
      throw new Error(`Expected a known change, found ${change.kind}.`);
  }
}
