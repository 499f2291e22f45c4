import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Study } from "../../src/evaluation/study";
import { numbers } from "../classifiers/small-networks";
import { temporaryFolder } from "../support/temporary-folder";
import { forward, scriptArchive } from "../support/torchscript";
import { demo, runCli } from "./run-cli";

const folder = temporaryFolder();
const { classes } = JSON.parse(readFileSync(join(demo, "images.json"), "utf8")) as { classes: string[] };

function study(name: string, changes: Readonly<Record<string, unknown>> = {}): string {
  const path = join(folder, `${name}.json`);
  const content = {
    ...{ models: [join(demo, "target.pt"), join(demo, "source.pt")], attacks: ["fgsm:epsilon=8/255"] },
    ...{ timesteps: [2, 4], dataset: { name: "shapes", data: demo }, samples: 24, seed: 0, threads: 1 },
    ...{ out: name, ...changes },
  };
  writeFileSync(path, JSON.stringify(content));
  return path;
}

function linearProgram(): string {
  const path = join(folder, "linear.pt");
  const next = numbers(5);
  const pixels = 3 * 16 * 16;
  const values = Array.from({ length: classes.length * pixels }, () => next() - 0.5);
  writeFileSync(
    path,
    scriptArchive({
      methods: forward("return torch.linear(torch.flatten(x, 1), self.weight)"),
      tensors: { weight: { values, shape: [classes.length, pixels] } },
    }),
  );
  return path;
}

const names = ["target-T2", "source-T2", "target-T4", "source-T4"];

test("prints its runs, says how far it is unless it shall be quiet, and goes on where it was", async () => {
  const file = study("whole", { batchSize: 8 });
  const first = await runCli(["study", file]);
  expect(first.code).toBe(0);
  expect(first.stderr).toMatch(/^100 % {2}4 of 4 runs/m);
  expect(first.stderr).toMatch(/^(8|16) of 24 images {2}robust .*images\/s {2}ETA .*target-T[24]$/m);
  expect(first.stdout.match(/^(target|source)\.pt at [24] time steps on shapes, 24 images$/gm)).toHaveLength(
    4,
  );
  const { code, stdout, stderr } = await runCli(["study", file, "--quiet", "--json"]);
  expect([code, stderr]).toEqual([0, ""]);
  const { runs, passes } = JSON.parse(stdout) as Study;
  expect(runs.map(({ name }) => name)).toEqual(names);
  expect(passes).toEqual({ forward: 0, gradient: 0 });
}, 120_000);

test("its shards land in folders of their own, which merge joins run by run", async () => {
  for (const shard of ["1/2", "2/2"]) {
    expect(await runCli(["study", study("sharded"), "--shard", shard, "--quiet"])).toMatchObject({ code: 0 });
  }
  expect(readdirSync(join(folder, "sharded-2-of-2")).sort()).toEqual([...names, "study.json"].sort());
  expect(existsSync(join(folder, "sharded"))).toBe(false);
  const shards = ["sharded-1-of-2", "sharded-2-of-2"];
  for (const name of names) {
    const parts = shards.map((shard) => join(folder, shard, name));
    expect(await runCli(["merge", ...parts, "-o", join(folder, "sharded", name)])).toMatchObject({ code: 0 });
  }
  // Of the merged runs nothing is left to compute: the study is that which was never cut.
  const ran = await runCli(["study", study("sharded"), "--json", "-q"]);
  const { runs, passes } = JSON.parse(ran.stdout) as Study;
  expect(passes).toEqual({ forward: 0, gradient: 0 });
  const whole = await runCli(["study", study("uncut"), "--json", "-q"]);
  expect(runs.map(({ evaluation }) => evaluation.results)).toEqual(
    (JSON.parse(whole.stdout) as Study).runs.map(({ evaluation }) => evaluation.results),
  );
}, 120_000);

test("takes TorchScript programs as models and as sources", async () => {
  const program = linearProgram();
  const models = [{ file: program, name: "linear", mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] }];
  const both = study("programs", { models, sources: [join(demo, "source.pt")], timesteps: [] });
  const ran = await runCli(["study", both, "--json", "-q"]);
  expect([ran.code, ran.stderr]).toEqual([0, ""]);
  const [run] = (JSON.parse(ran.stdout) as Study).runs;
  expect(run).toMatchObject({
    name: "linear-from-source",
    evaluation: { identity: { target: { kind: "torchscript", mean: [0.5, 0.5, 0.5] } } },
  });
  // What evaluate says of the same.
  const options = ["--source", join(demo, "source.pt"), "--dataset", "shapes", "--data", demo];
  const single = await runCli([
    ...["evaluate", program, ...options, "--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5", "--seed", "0"],
    ...["--attack", "fgsm:epsilon=8/255", "--samples", "24", "--json", "-q", "--threads", "1"],
  ]);
  const { results, identity } = JSON.parse(single.stdout) as Study["runs"][number]["evaluation"];
  expect(run?.evaluation.results).toEqual(results);
  expect(run?.evaluation.identity).toEqual(identity);

  // Beside targets of several time steps it is a source, but no target.
  const source = study("program-source", { models: [join(demo, "target.pt")], sources: [program] });
  expect(await runCli(["study", source, "-q"])).toMatchObject({ code: 0 });
  expect(readdirSync(join(folder, "program-source")).sort()).toEqual([
    ...["study.json", "target-T2-from-linear", "target-T4-from-linear"],
  ]);
  const refused = await runCli(["study", study("refused", { models: [program] })]);
  expect(refused.stderr).toContain("Expected no list of time steps for linear");
  expect(refused.code).toBe(2);
}, 120_000);

test("a rate-coded model draws by the study's seed, as under evaluate", async () => {
  const content = readFileSync(join(demo, "target.pt"));
  const rateCoded = join(folder, "rate.pt");
  writeFileSync(rateCoded, content);
  const described = JSON.parse(readFileSync(join(demo, "target.network.json"), "utf8")) as object;
  writeFileSync(
    join(folder, "rate.network.json"),
    JSON.stringify({ ...described, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], coding: "rate" }),
  );
  const runOf = async (name: string, seed?: number): Promise<Study["runs"][number]["evaluation"]> => {
    const ran = await runCli([
      ...["study", study(name, { models: [rateCoded], timesteps: [20], samples: 8, seed }), "--json", "-q"],
    ]);
    expect([ran.code, ran.stderr]).toEqual([0, ""]);
    return ((JSON.parse(ran.stdout) as Study).runs[0] as Study["runs"][number]).evaluation;
  };
  const found = await runOf("seed-6", 6);
  expect(found.identity.target).toMatchObject({ coding: "rate", codingSeed: "6", mean: [0.5, 0.5, 0.5] });
  const single = await runCli([
    ...["evaluate", rateCoded, "--dataset", "shapes", "--data", demo, "--seed", "6", "--timesteps", "20"],
    ...["--attack", "fgsm:epsilon=8/255", "--samples", "8", "--json", "-q", "--threads", "1"],
  ]);
  const { results, identity } = JSON.parse(single.stdout) as typeof found;
  expect(found.results).toEqual(results);
  expect(found.identity).toEqual(identity);
  expect((await runOf("no-seed")).identity.target).toMatchObject({ codingSeed: "0" });
}, 120_000);

test("runs a model under the coding that the study or the model names", async () => {
  const file = join(demo, "target.pt");
  const models = [file, { file, name: "as it is", coding: "direct" }];
  const changes = { models, coding: "rate", timesteps: [20], samples: 8, attacks: ["fgsm:epsilon=8/255"] };
  const ran = await runCli(["study", study("codings", changes), "--json", "-q"]);
  expect([ran.code, ran.stderr]).toEqual([0, ""]);
  const [rate, direct] = (JSON.parse(ran.stdout) as Study).runs.map(({ evaluation }) => evaluation);
  expect(direct?.identity.target).toMatchObject({ coding: "direct", mean: [0.43, 0.43, 0.43] });
  expect([rate, direct].map((each) => each?.execution["target"])).toMatchObject([
    { name: "target.pt" },
    { name: "as it is" },
  ]);
  const single = await runCli([
    ...["evaluate", file, "--dataset", "shapes", "--data", demo, "--seed", "0", "--timesteps", "20"],
    ...[
      "--attack",
      "fgsm:epsilon=8/255",
      "--samples",
      "8",
      "--json",
      "-q",
      "--threads",
      "1",
      "--coding",
      "rate",
    ],
  ]);
  const { results, identity } = JSON.parse(single.stdout) as Study["runs"][number]["evaluation"];
  expect(rate?.results).toEqual(results);
  expect(rate?.identity).toEqual(identity);
  const sources = [{ file, name: "target", coding: "direct" }];
  const refused = await runCli(["study", study("one-name", { ...changes, models: [file], sources })]);
  expect(refused.stderr).toContain("Expected models with a name of their own each but received target");
}, 120_000);

test("says which device is wrong", async () => {
  const { code, stderr } = await runCli(["study", study("device", { device: "gpu" })]);
  expect(code).toBe(2);
  expect(stderr).toMatch(/cpu.*gpu/);
});

describe("evaluate", () => {
  const evaluation = [
    ...["evaluate", join(demo, "target.pt"), "--dataset", "shapes", "--data", demo, "--samples", "16"],
    ...["--seed", "0", "--attack", "fgsm:epsilon=8/255", "--json"],
  ];
  interface Printed {
    identity: { target: { surrogate: unknown } };
    results: unknown[];
  }

  test("--surrogate decides what the attacks follow, and is in the identity", async () => {
    const usual = await runCli([...evaluation, "--quiet"]);
    const atan = await runCli([...evaluation, "--quiet", "--surrogate", "atan:a=2,scale=absolute"]);
    const [before, after] = [usual, atan].map(({ stdout }) => JSON.parse(stdout) as Printed);
    expect(after?.identity.target.surrogate).toMatchObject({ shape: "atan", a: 2, scale: "absolute" });
    expect(after?.results[0]).toEqual(before?.results[0]);
    expect(after?.results[1]).not.toEqual(before?.results[1]);
    const wrong = await runCli([...evaluation, "--surrogate", "atn"]);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain("did you mean atan?");
  }, 60_000);

  test("--quiet leaves stderr empty; without, models and progress are there", async () => {
    const quiet = await runCli([...evaluation, "--quiet"]);
    expect([quiet.code, quiet.stderr]).toEqual([0, ""]);
    const loud = await runCli(evaluation);
    expect(loud.stderr).toMatch(/^target\.pt: .*8 time steps/m);
    expect(loud.stderr).toMatch(/^100 % {2}16 of 16 images {2}robust .*images\/s/m);
    expect(loud.stdout).toBe(
      quiet.stdout.replace(/"startedAt": ".*"/, /"startedAt": ".*"/.exec(loud.stdout)?.[0] ?? ""),
    );
  }, 60_000);
});
