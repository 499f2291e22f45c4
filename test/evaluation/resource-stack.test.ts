import { ResourceStack } from "../../src/evaluation/resource-stack";

function stackOf(released: string[]): ResourceStack {
  const stack = new ResourceStack();
  stack.defer(() => void released.push("first"));
  stack.defer(() => Promise.reject(new Error("cannot close the second")));
  stack.defer(() => {
    released.push("third");
    throw new Error("cannot close the third");
  });
  return stack;
}

test("releases everything, the last first, once, and says the first failure", async () => {
  const released: string[] = [];
  const stack = stackOf(released);
  await expect(stack.release()).rejects.toThrow("cannot close the third");
  expect(released).toEqual(["third", "first"]);
  await stack.release();
  expect(released).toEqual(["third", "first"]);
});

test("what goes wrong in the work is said, not what goes wrong in releasing after it", async () => {
  const released: string[] = [];
  const work = stackOf(released).during(() => Promise.reject(new Error("the work")));
  await expect(work).rejects.toThrow("the work");
  expect(released).toEqual(["third", "first"]);
  await expect(stackOf([]).during(() => Promise.resolve(1))).rejects.toThrow("cannot close the third");
});

test("what is opened is kept, unless opening fails", async () => {
  const released: string[] = [];
  const stack = new ResourceStack();
  stack.defer(() => void released.push("first"));
  expect(await stack.whileOpening(() => Promise.resolve(1))).toBe(1);
  expect(released).toEqual([]);
  await expect(stack.whileOpening(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(released).toEqual(["first"]);
});
