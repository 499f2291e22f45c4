import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Evaluation } from "../../src/evaluation/evaluate";
import type { RunConfig } from "../../src/evaluation/run-config";
import { numbers } from "../classifiers/small-networks";
import { describeWithShared } from "../support/shared-folder";
import { temporaryFolder } from "../support/temporary-folder";
import { forward, scriptArchive } from "../support/torchscript";
import { demo, runCli } from "./run-cli";

const folder = temporaryFolder();
const shapes = ["--dataset", "shapes", "--data", demo];
const checkpoint = join(demo, "target.pt");
const classes = (JSON.parse(readFileSync(join(demo, "images.json"), "utf8")) as { classes: string[] }).classes
  .length;
const pixels = 3 * 16 * 16;

function write(name: string, lines: readonly string[], metadata?: unknown): string {
  const next = numbers(5);
  const path = join(folder, name);
  const values = Array.from({ length: classes * pixels }, () => next() - 0.5);
  writeFileSync(
    path,
    scriptArchive({
      methods: forward(...lines),
      tensors: { weight: { values, shape: [classes, pixels] } },
      ...(metadata !== undefined && { extraFiles: { "hire-snn.json": JSON.stringify(metadata) } }),
    }),
  );
  return path;
}

const logits = "torch.linear(torch.flatten(x, 1), self.weight)";

test("an archive is recognised by its content and run, whatever its name, and what was used is printed and stored", async () => {
  const path = write("model.bin", [`print("hello from the script")`, `return ${logits}`], {
    ...{ schemaVersion: 1, mean: [0.1, 0.2, 0.3], std: [1, 2, 4] },
  });
  const out = join(folder, "run");
  const { code, stdout, stderr } = await runCli([
    ...["evaluate", path, ...shapes, "--samples", "12", "--seed", "1", "--out", out, "--json"],
  ]);
  expect(stderr).toContain(
    `model.bin: TorchScript, float32, ${classes} classes, images 3x16x16 (data set), mean 0.1,0.2,0.3 and std 1,2,4 (archive), ` +
      "micro-batches of 8\n",
  );
  // What a script prints must not get into the JSON.
  expect(stderr).toContain("hello from the script");
  expect(code).toBe(0);
  const evaluation = JSON.parse(stdout) as Evaluation;
  expect(evaluation.results.map(({ attack, n }) => [attack, n])).toEqual([
    ["clean", 12],
    ["fgsm", 12],
    ["pgd", 12],
  ]);
  expect(evaluation.results[1]!.loss as number).toBeGreaterThan(evaluation.results[0]!.loss as number);
  const config = JSON.parse(readFileSync(join(out, "config.json"), "utf8")) as RunConfig;
  expect(config).toMatchObject({
    identity: {
      target: { kind: "torchscript", mean: [0.1, 0.2, 0.3], inputShape: [3, 16, 16], microBatch: 8 },
    },
    execution: {
      target: { name: "model.bin", path, inputShapeFrom: "data set", normalisationFrom: "archive" },
    },
  });
});

test("black box works across the two kinds of model, and options go before the archive", async () => {
  const linear = write("linear.ts.pt", [`return ${logits}`], { mean: [0, 0, 0], std: [1, 1, 1] });
  for (const pair of [
    [linear, "--source", checkpoint],
    [checkpoint, "--source", linear],
  ]) {
    const { code, stdout, stderr } = await runCli([
      ...["evaluate", ...pair, ...shapes, "--samples", "8", "--json", "--attack", "fgsm:epsilon=0.1"],
      ...["--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5"],
    ]);
    expect([stderr.includes("mean 0.5,0.5,0.5 and std 0.5,0.5,0.5 (option)"), code]).toEqual([true, 0]);
    const { results } = JSON.parse(stdout) as Evaluation;
    expect(results.map(({ access }) => access)).toEqual(["none", "white", "black"]);
  }
});

test("a model without a gradient is refused before its attacks, or marked", async () => {
  const path = write("hard.ts.pt", [`return torch.to(torch.gt(${logits}, 0), 6)`]);
  const out = join(folder, "hard");
  const run = ["evaluate", path, ...shapes, "--samples", "8", "--attack", "fgsm:epsilon=0.1"];
  const refused = await runCli([...run, "--out", out]);
  expect([refused.code, refused.stdout]).toEqual([1, ""]);
  expect(refused.stderr).toMatch(/--allow-zero-gradient.*\(NO_GRADIENT\)/s);
  const allowed = await runCli([...run, "--out", out, "--allow-zero-gradient", "--json"]);
  const { warnings, identity } = JSON.parse(allowed.stdout) as Evaluation;
  expect(warnings.map(({ code }) => code)).toContain("NO_GRADIENT");
  expect(identity.target).toMatchObject({ allowZeroGradient: true });
});

test("3 for a program that is no classifier, 1 for one that stops, 2 for a shape that is none", async () => {
  const none = await runCli(["evaluate", write("none.pt", ["return x"]), ...shapes]);
  expect([none.code, none.stderr.includes("(SCRIPT_INVALID)")]).toEqual([3, true]);
  const stops = await runCli([
    "evaluate",
    write("stops.pt", ["return torch.linear(x, self.weight)"]),
    ...shapes,
  ]);
  expect([stops.code, stops.stderr.includes("mat1 and mat2")]).toEqual([1, true]);
  const shape = await runCli(["evaluate", checkpoint, ...shapes, "--input-shape", "3x32"]);
  expect([shape.code, shape.stderr.includes("such as 3x32x32")]).toEqual([2, true]);
});

test("a folder of images needs no --mean where the archive has its own", async () => {
  const images = join(folder, "images");
  mkdirSync(images);
  const path = write("own.pt", [`return ${logits}`], { mean: [0.5, 0.5, 0.5], std: [1, 1, 1] });
  const { stderr } = await runCli(["evaluate", path, "--dataset", "folder", "--data", images]);
  // It gets as far as looking for images.
  expect(stderr).not.toContain("--mean");
  expect(stderr).toContain("(DATASET_INVALID)");
});

describeWithShared("a real quantised transformer, traced with a batch of one", (shared) => {
  const scripts = join(shared, "data", "checkpoints", "torchscript");
  const mnist = ["--dataset", "mnist", "--data", join(shared, "data", "mnist"), "--samples", "20"];

  test("classifies, has no gradient to attack, and libtorch's warnings come once", async () => {
    const path = join(scripts, readdirSync(scripts).find((name) => name.endsWith("vit4mnist.pth")) as string);
    const run = ["evaluate", path, ...mnist, "--attack", "fgsm:epsilon=0.1"];
    const refused = await runCli(run);
    expect([refused.code, refused.stderr.includes("(NO_GRADIENT)")]).toEqual([1, true]);
    expect(refused.stderr.split("an autograd kernel was not registered")).toHaveLength(2);
    const { stdout } = await runCli([...run, "--allow-zero-gradient", "--json"]);
    const { results, warnings, identity } = JSON.parse(stdout) as Evaluation;
    expect(results[0]?.correct).toBeGreaterThanOrEqual(19);
    expect(identity.target).toMatchObject({ microBatch: 1 });
    expect(warnings.map(({ code }) => code)).toEqual(expect.arrayContaining(["NO_GRADIENT", "TORCHSCRIPT"]));
  });
});

test("inspect: methods, operators and metadata of a script, in both forms; nothing runs", async () => {
  const path = write("seen.pt", ['torch.save(x, "out.pt")', `return ${logits}`], {
    mean: [0, 0, 0],
    std: [1, 1, 1],
  });
  const environment = { HIRE_SNN_ADDON: join(folder, "none.node") };
  const text = await runCli(["inspect", path], { environment });
  expect(text.code).toBe(0);
  expect(text.stdout).toMatch(
    /TorchScript archive, version 3, [^]*forward\(x: Tensor\) -> Tensor[^]*aten::linear/,
  );
  expect(text.stdout).toContain("Warning: Its code calls aten::save, which writes a file.");
  const { stdout } = await runCli(["inspect", path, "--json"], { environment });
  expect(JSON.parse(stdout)).toMatchObject({
    ...{ schemaVersion: 1, format: "torchscript", methods: ["forward(x: Tensor) -> Tensor"] },
    tensors: [{ path: "weight", dtype: "float32", shape: [classes, pixels] }],
    metadata: { mean: [0, 0, 0] },
    extraFiles: [{ name: "hire-snn.json" }],
  });
  const network = await runCli(["inspect", path, "--network", "VGG5"], { environment });
  expect(network.code).toBe(2);
});
