import { HireSnnError } from "../../src/errors";
import { addon } from "../../src/native/addon";
import { tensorScope } from "../../src/tensor/scope";
import { Tensor } from "../../src/tensor/tensor";

const values = Float32Array.of(-2, -0.5, 0, 0.5, 2, 3);

function tensor(data: Float32Array = values): Tensor {
  return Tensor.from(data, [2, 3]);
}

test.each([
  ["float32", Float32Array.of(0.1, -1)],
  ["float64", Float64Array.of(0.1, -1)],
  ["int32", Int32Array.of(7, -1)],
] as const)("%s comes back as it went in", async (dtype, data) => {
  using t = Tensor.from(data, [2, 1]);
  expect(t).toMatchObject({ dtype, shape: [2, 1], size: 2, device: "cpu" });
  expect(await t.data()).toEqual(data);
});

test("0-dim and empty tensors", async () => {
  using scalar = Tensor.from(Float32Array.of(5), []);
  using empty = Tensor.from(new Float32Array(0), [0, 3, 8, 8]);
  expect(await scalar.data()).toEqual(Float32Array.of(5));
  expect(await empty.add(1).data()).toEqual(new Float32Array(0));
});

test.each([
  ["add", [-1, 0.5, 1, 1.5, 3, 4]],
  ["subtract", [-3, -1.5, -1, -0.5, 1, 2]],
  ["maximum", [1, 1, 1, 1, 2, 3]],
  ["minimum", [-2, -0.5, 0, 0.5, 1, 1]],
] as const)("%s with a number and with a tensor", async (operation, expected) => {
  using t = tensor();
  using ones = tensor(new Float32Array(6).fill(1));
  expect([...(await t[operation](1).data())]).toEqual(expected);
  expect([...(await t[operation](ones).data())]).toEqual(expected);
});

test("the remaining operations", async () => {
  using t = tensor();
  expect([...(await t.multiply(2).data())]).toEqual([-4, -1, 0, 1, 4, 6]);
  expect([...(await t.divide(2).data())]).toEqual([-1, -0.25, 0, 0.25, 1, 1.5]);
  expect([...(await t.sign().data())]).toEqual([-1, -1, 0, 1, 1, 1]);
  expect([...(await t.abs().data())]).toEqual([2, 0.5, 0, 0.5, 2, 3]);
  expect([...(await t.clamp(-0.25, 2).data())]).toEqual([-0.25, -0.25, 0, 0.5, 2, 2]);
  expect([...(await t.maxPerSample().data())]).toEqual([0, 3]);
  expect([...(await t.minPerSample().data())]).toEqual([-2, 0.5]);
  const row = t.rows(1, 2);
  expect(row.shape).toEqual([1, 3]);
  expect([...(await row.data())]).toEqual([0.5, 2, 3]);
  const double = t.to("float64");
  expect(double.dtype).toBe("float64");
  expect(await double.data()).toEqual(Float64Array.from(values));
});

test("a number is rounded to the tensor's dtype before it is used", async () => {
  // 0.7 * 3 in double precision, rounded once, is not the product of the rounded 0.7.
  using t = Tensor.from(Float32Array.of(3), [1]);
  expect((await t.multiply(0.7).data())[0]).toBe(Math.fround(Math.fround(0.7) * 3));
  using one = Tensor.from(Float32Array.of(1), [1]);
  expect((await one.subtract(0.031).data())[0]).toBe(Math.fround(1 - Math.fround(0.031)));
});

test("NaN: sign gives 0, clamp and the reductions keep it", async () => {
  using t = Tensor.from(Float32Array.of(NaN, 1), [1, 2]);
  expect([...(await t.sign().data())]).toEqual([0, 1]);
  expect([...(await t.clamp(0, 1).data())]).toEqual([NaN, 1]);
  expect([...(await t.maxPerSample().data())]).toEqual([NaN]);
  expect([...(await t.minPerSample().data())]).toEqual([NaN]);
});

test("operations may be queued on a tensor that is disposed at once", async () => {
  const t = tensor();
  const sum = t.add(1).multiply(3);
  t.dispose();
  expect([...(await sum.data())]).toEqual([-3, 1.5, 3, 4.5, 9, 12]);
});

describe("errors are HireSnnErrors", () => {
  const caught = (body: () => unknown): unknown => {
    try {
      body();
    } catch (error) {
      return error;
    }
    return undefined;
  };

  test.each([
    ["a shape of another size", () => Tensor.from(values, [2, 2])],
    ["a negative size", () => Tensor.from(values, [-2, -3])],
    ["a size that is not whole", () => Tensor.from(values, [1.5, 4])],
    ["an operand of another shape", () => tensor().add(Tensor.from(values, [6]))],
    ["an operand of another dtype", () => tensor().add(Tensor.from(Float64Array.from(values), [2, 3]))],
    ["rows past the end", () => tensor().rows(1, 3)],
    ["rows that run backwards", () => tensor().rows(1, 0)],
    ["samples without elements", () => Tensor.from(new Float32Array(0), [2, 0]).maxPerSample()],
  ])("%s", (_, body) => {
    const error = caught(body);
    expect(error).toBeInstanceOf(HireSnnError);
    expect((error as HireSnnError).code).toBe("INVALID_ARGUMENT");
  });

  test("use after disposal", async () => {
    const t = tensor();
    t.dispose();
    t.dispose();
    expect(t.disposed).toBe(true);
    expect(caught(() => t.add(1))).toMatchObject({ code: "DISPOSED" });
    await expect(t.data()).rejects.toMatchObject({ code: "DISPOSED" });
  });
});

describe("tensorScope", () => {
  test("disposes what the expression made, not what it returns or was given", async () => {
    using given = tensor();
    const inside: Tensor[] = [];
    const result = tensorScope(() => {
      const a = given.add(1);
      inside.push(a);
      return a.multiply(2);
    });
    expect(inside.map((t) => t.disposed)).toEqual([true]);
    expect([given.disposed, result.disposed]).toEqual([false, false]);
    expect([...(await result.data())]).toEqual([-2, 1, 2, 3, 6, 8]);
  });

  test("a result belongs to the scope around; what is thrown leaves nothing behind", () => {
    let inner: Tensor | undefined;
    const outer = tensorScope(() => {
      inner = tensorScope(() => tensor());
      return inner.add(1);
    });
    expect([inner?.disposed, outer.disposed]).toEqual([true, false]);
    const made: Tensor[] = [];
    expect(() =>
      tensorScope((): Tensor => {
        made.push(tensor());
        throw new Error("no");
      }),
    ).toThrow("no");
    expect(made[0]?.disposed).toBe(true);
  });
});

test("Node is told of the memory behind a tensor, and of its end", () => {
  const data = new Float32Array(1000);
  const before = addon().externalMemory();
  const t = Tensor.from(data, [10, 100]);
  const sum = t.add(1);
  expect(addon().externalMemory() - before).toBe(8000);
  t.dispose();
  t.dispose();
  sum.dispose();
  expect(addon().externalMemory()).toBe(before);
});
