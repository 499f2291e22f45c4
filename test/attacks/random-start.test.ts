import { fnv1a, seedWords, uniformStart } from "../../src/attacks/random-start";
import { philox4x32 } from "../../src/tensor/philox";

const stream = { seed: 0, name: "pgd", restart: 0 };

describe("uniformStart", () => {
  test("draws what its counter says", async () => {
    const seed = 0x0123456789abcdefn;
    const start = await uniformStart([5, 77], 7, 0.031, { seed, name: "pgd", restart: 3 });
    const words = new Uint32Array(4);
    philox4x32(77, 1, fnv1a("pgd"), 3, 0x89abcdef, 0x01234567, words);
    const uniform = ((words[2] as number) >>> 8) / 2 ** 24;
    expect(start[7 + 6]).toBe(Math.fround((2 * uniform - 1) * Math.fround(0.031)));
  });

  test("gives a sample the same numbers in every batch", async () => {
    const together = await uniformStart([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], 48, 0.1, stream);
    const alone = await uniformStart([9], 48, 0.1, stream);
    expect(alone).toEqual(together.slice(9 * 48, 10 * 48));
  });

  test("differs by seed, sample, attack and restart", async () => {
    const starts = await Promise.all([
      uniformStart([0], 8, 1, stream),
      uniformStart([1], 8, 1, stream),
      uniformStart([0], 8, 1, { ...stream, seed: 1 }),
      uniformStart([0], 8, 1, { ...stream, seed: 1n << 32n }),
      uniformStart([0], 8, 1, { ...stream, name: "fgsm" }),
      uniformStart([0], 8, 1, { ...stream, restart: 1 }),
    ]);
    expect(new Set(starts.map((start) => start.join())).size).toBe(starts.length);
  });

  test("is uniform within epsilon", async () => {
    const epsilon = 0.031;
    const start = await uniformStart(
      Array.from({ length: 30 }, (_, i) => i),
      3072,
      epsilon,
      stream,
    );
    const mean = start.reduce((sum, value) => sum + value, 0) / start.length;
    const square = start.reduce((sum, value) => sum + value * value, 0) / start.length;
    expect(start.every((value) => Math.abs(value) <= Math.fround(epsilon))).toBe(true);
    // 92,160 numbers: five standard errors of the mean and of the mean square
    expect(Math.abs(mean)).toBeLessThan((5 * epsilon) / Math.sqrt(3 * start.length));
    expect(Math.abs(square - epsilon ** 2 / 3)).toBeLessThan(
      (5 * 0.3 * epsilon ** 2) / Math.sqrt(start.length),
    );
  });

  test("is a multiple of itself at another epsilon, and zero at 0", async () => {
    const at1 = await uniformStart([3], 16, 1, stream);
    const atQuarter = await uniformStart([3], 16, 0.25, stream);
    expect(Array.from(atQuarter)).toEqual(Array.from(at1, (value) => value / 4));
    expect((await uniformStart([3], 16, 0, stream)).every((value) => value === 0)).toBe(true);
  });

  test.each([-1, 0.5, 2 ** 53, Number.NaN, -1n, 1n << 64n])("refuses the seed %s", async (seed) => {
    await expect(uniformStart([0], 4, 1, { ...stream, seed })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("for seed") as string,
    });
  });

  test("refuses a sample index that would not fit its counter", async () => {
    await expect(uniformStart([2 ** 32], 4, 1, stream)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

test("seedWords splits 64 bits", () => {
  expect(seedWords(0xffffffff00000001n)).toEqual([1, 0xffffffff]);
  expect(seedWords(2 ** 40 + 7)).toEqual([7, 256]);
});

// Vectors of the FNV reference code
test.each([
  ["", 0x811c9dc5],
  ["a", 0xe40c292c],
  ["foobar", 0xbf9cf968],
])("fnv1a of %j", (text, hash) => {
  expect(fnv1a(text)).toBe(hash);
});
