import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const folder = join(__dirname, "..", "examples");
const run = async (name: string): Promise<string> => {
  const { stdout } = await promisify(execFile)(process.execPath, [join(folder, name)], { timeout: 60_000 });
  return stdout;
};

test("every example is run here", () => {
  expect(readdirSync(folder).filter((name) => name.endsWith(".mjs"))).toEqual([
    "attack-images.mjs",
    "evaluate-pair.mjs",
    "own-classifier.mjs",
  ]);
});

test("attack-images", async () => {
  const lines = (await run("attack-images.mjs")).trim().split("\n");
  expect(lines).toHaveLength(8);
  for (const line of lines)
    expect(line).toMatch(/^[a-z ]+: [a-z ]+ \([1-9]\d* spikes\) -> [a-z ]+ \([1-9]\d*\)/);
});

test("evaluate-pair", async () => {
  const output = await run("evaluate-pair.mjs");
  for (const row of ["clean  none", "fgsm   white", "pgd    white", "fgsm   black", "pgd    black"]) {
    expect(output).toMatch(new RegExp(`^${row} +\\d+\\.\\d % \\(95 %: \\d+\\.\\d to \\d+\\.\\d\\)$`, "m"));
  }
});

test("own-classifier", async () => {
  expect(await run("own-classifier.mjs")).toBe(
    "The margin fell by 0.300000; the closed form says 0.300000.\n",
  );
});
