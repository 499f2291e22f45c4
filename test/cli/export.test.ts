import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Evaluation } from "../../src/evaluation/evaluate";
import { temporaryFolder } from "../support/temporary-folder";
import { demo, runCli } from "./run-cli";

const folder = temporaryFolder();
const checkpoint = join(demo, "target.pt");
const statistics = ["--mean", "0.43,0.43,0.43", "--std", "0.095,0.095,0.095"];

test("an exported checkpoint is evaluated with the checkpoint's figures", async () => {
  const path = join(folder, "target.ts.pt");
  const exported = await runCli(["export", checkpoint, "-o", path, ...statistics]);
  expect([exported.code, exported.stderr]).toEqual([0, ""]);
  expect(exported.stdout).toMatch(
    /target\.ts\.pt: TorchScript, [\d,]+ bytes\n.*8 time steps \(network file\).*a = 0\.3/,
  );
  const shapes = ["--dataset", "shapes", "--data", demo, "--samples", "40", "--seed", "0", "--json"];
  const [script, original] = await Promise.all(
    [path, checkpoint].map(async (model) => {
      const { stdout } = await runCli(["evaluate", model, ...shapes]);
      return (JSON.parse(stdout) as Evaluation).results.map(({ correct }) => correct);
    }),
  );
  expect(script).toHaveLength(3);
  script!.forEach((correct, index) => expect(Math.abs(correct - original![index]!)).toBeLessThanOrEqual(1));
});

test.each([
  [
    ["-o", join(tmpdir(), "hire-snn-never-written.pt"), "--gamma", "0.3"],
    "Expected --surrogate with --gamma",
  ],
  [["-o", join(tmpdir(), "hire-snn-never-written.pt"), "--surrogate", "triangel"], "piecewise-linear"],
  [["-o", join(tmpdir(), "hire-snn-never-written.pt"), "--mean", "0.4,0.4,0.4"], "mean and std together"],
  [["-o", join(tmpdir(), "hire-snn-never-written.pt"), "--timesteps", "0"], "--timesteps"],
  [[], "-o, --output"],
])("2 for %j", async (args, message) => {
  const { code, stderr } = await runCli(["export", checkpoint, ...args]);
  expect(stderr).toContain(message);
  expect(code).toBe(2);
});
