import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OrderedMap, TensorToWrite } from "../../src/checkpoint/writable";
import { writeCheckpoint } from "../../src/checkpoint/write-checkpoint";
import type { Evaluation } from "../../src/evaluation/evaluate";
import { annTwin } from "../../src/networks/network";
import { parseNetwork } from "../../src/networks/network-text";
import { numbers } from "../classifiers/small-networks";
import { shapesOf } from "../networks/state-dicts";
import { demo, root, runCli } from "./run-cli";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hire-snn-cli-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const target = join(demo, "target.pt");
const source = join(demo, "source.pt");
const shapes = ["--dataset", "shapes", "--data", demo];

describe("--kernels", () => {
  const few = ["evaluate", target, ...shapes, "--samples", "4", "--attack", "fgsm:epsilon=0.1"];

  test("force the engine, which is in the identity, and --explain says how each layer was computed", async () => {
    const plain = await runCli([...few, "--json", "--kernels", "plain", "--explain"]);
    expect(plain.code).toBe(0);
    expect((JSON.parse(plain.stdout) as Evaluation).identity.target).toMatchObject({ kernels: "plain" });
    expect(plain.stderr).toMatch(/target\.pt: plain; times of the last micro-batch\n[^]*conv1[^]*dense/);

    const fast = await runCli([...few, "--json", "--kernels", "baseline,forward=events", "--explain"]);
    const identity = (JSON.parse(fast.stdout) as Evaluation).identity.target;
    expect(identity["kernels"]).toMatch(/^multistep baseline; backward by Winograd: conv/);
    expect(fast.stderr).toMatch(/conv1[^]*direct[^]*conv2[^]*events[^]*winograd/);
  });

  test.each([
    ["fast", 'received "fast"'],
    ["multistp", "did you mean multistep?"],
    ["avx2,avx512", "Expected one choice of instructionSet"],
    ["toString", "Expected words of plain, multistep"],
  ])("%s is refused", async (words, message) => {
    const { code, stderr } = await runCli([...few, "--kernels", words]);
    expect(code).not.toBe(0);
    expect(stderr).toContain(message);
  });
});

describe("--coding", () => {
  const few = [
    "evaluate",
    target,
    ...shapes,
    "--samples",
    "6",
    "--attack",
    "fgsm:epsilon=0.1",
    "--seed",
    "5",
  ];

  test("rate: belongs to the identity with its seed, mean and std; direct is what there was", async () => {
    const rate = await runCli([...few, "--json", "--coding", "rate", "--timesteps", "20"]);
    expect(rate.stderr).toContain("20 time steps (option), rate coding");
    const { identity, results } = JSON.parse(rate.stdout) as Evaluation;
    expect(identity.target).toMatchObject({
      ...{ coding: "rate", codingSeed: "5", timesteps: 20, kernels: "plain" },
      ...{ mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
    });
    expect(results.map(({ attack }) => attack)).toEqual(["clean", "fgsm"]);
    const direct = await runCli([...few, "--json", "--coding", "direct"]);
    const plain = await runCli([...few, "--json"]);
    const resultsOf = ({ stdout }: { stdout: string }) => (JSON.parse(stdout) as Evaluation).results;
    expect(resultsOf(direct)).toEqual(resultsOf(plain));
    expect((JSON.parse(plain.stdout) as Evaluation).identity.target).toMatchObject({ coding: "direct" });
  });

  test("another coding, and another engine for it, are refused", async () => {
    expect((await runCli([...few, "--coding", "poisson"])).code).toBe(2);
    const { code, stderr } = await runCli([...few, "--coding", "rate", "--kernels", "multistep"]);
    expect(code).not.toBe(0);
    expect(stderr).toContain("The multi-step engine cannot run this network");
  });
});

describe("an ANN twin", () => {
  test("is evaluated and attacked; its activity is that of outputs that are not zero", async () => {
    const path = join(folder, "ann.pt");
    const next = numbers(7);
    const network = parseNetwork("8,A,R8/10@3x16x16");
    const tensors = new OrderedMap();
    for (const [key, shape] of shapesOf(annTwin(network))) {
      const length = shape.reduce((product, size) => product * size, 1);
      const values = Float32Array.from({ length }, () => next() - 0.5);
      tensors.set(key, new TensorToWrite("float32", shape, () => values));
    }
    writeCheckpoint(path, tensors);
    writeFileSync(
      join(folder, "ann.network.json"),
      JSON.stringify({ network: "8,A,R8/10", inputShape: [3, 16, 16] }),
    );
    const args = ["evaluate", path, ...shapes, "--samples", "9", "--seed", "0"];
    const { code, stdout, stderr } = await runCli([...args, "--json"]);
    expect(stderr).toContain("ann.pt: 8,A,R8/10 (network file), an ANN");
    expect(code).toBe(0);
    const { identity, results, execution } = JSON.parse(stdout) as Evaluation;
    expect(identity.target).toMatchObject({ kind: "ann", timesteps: 1 });
    expect(execution.target).not.toHaveProperty("timestepsFrom");
    expect(results[0]?.spikes?.map(({ name }) => name)).toEqual([
      ...["conv1", "pool1", "layer1.0.conv1", "layer1.0.conv2"],
    ]);
    const text = await runCli(args);
    expect(text.stdout).toContain("Outputs that are not zero, %");
    expect(text.stdout).toMatch(/ann\.pt on shapes, 9 images/);
  });
});

describe("evaluate", () => {
  test("--json: stdout is the evaluation and nothing else; progress and what was loaded go to stderr", async () => {
    const out = join(folder, "run");
    const { code, stdout, stderr } = await runCli([
      ...[
        "evaluate",
        target,
        "--source",
        source,
        ...shapes,
        "--samples",
        "20",
        "--batch-size",
        "8",
        "--threads",
        "1",
      ],
      ...["--out", out, "--json"],
    ]);
    expect(stderr).toMatch(/^target\.pt: .*time steps \(.*\)\nsource\.pt: /);
    expect(code).toBe(0);
    const evaluation = JSON.parse(stdout) as Evaluation;
    expect(evaluation).toMatchObject({
      ...{ schemaVersion: 2, preset: "hire", note: "for comparison with the paper, not a robustness claim" },
      identity: {
        target: { sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string, timesteps: 8 },
        dataset: { name: "shapes", samples: 20 },
        seed: 0,
      },
      execution: { target: { name: "target.pt", path: target }, threads: 1, batchSize: 8 },
    });
    expect(evaluation.results.map(({ attack, access, n }) => [attack, access, n])).toEqual([
      ["clean", "none", 20],
      ["fgsm", "white", 20],
      ["pgd", "white", 20],
      ["fgsm", "black", 20],
      ["pgd", "black", 20],
    ]);
    expect(evaluation.results[0]?.spikes?.[0]?.perTimestep).toHaveLength(8);
    expect(evaluation.warnings.map(({ code: warning }) => warning)).toEqual(
      expect.arrayContaining(["HIRE_PRESET", "SEED_NOT_GIVEN"]),
    );
    expect(readdirSync(out).sort()).toEqual([
      "checksums.jsonl",
      "config.json",
      "ledger.jsonl",
      "results.json",
    ]);
    expect(JSON.parse(readFileSync(join(out, "results.json"), "utf8"))).toEqual(evaluation);
    expect(readFileSync(join(out, "ledger.jsonl"), "utf8").split("\n")).toHaveLength(20 * 5 + 1);

    // The same folder again is refused, with the way out.
    const again = await runCli(["evaluate", target, ...shapes, "--samples", "1", "--out", out]);
    expect([again.code, again.stdout]).toEqual([2, ""]);
    expect(again.stderr).toContain("name another folder");
  });

  test("prints a table without colours where there is no terminal", async () => {
    const { code, stdout } = await runCli([
      ...["evaluate", target, ...shapes, "--samples", "10", "--seed", "3"],
      ...["--attack", "fgsm", "--attack", "pgd:steps=2,step-size=2/255", "--epsilon", "8/255"],
    ]);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^target\.pt at 8 time steps on shapes, 10 images\nAttacks: fgsm:epsilon=0\.03137/,
    );
    expect(stdout).toMatch(/^clean +\d+\.\d\d +\d+\.\d\d to \d+\.\d\d +\d+\.\d\d +\d+ of 10 /m);
    expect(stdout).toMatch(/^pgd +white box /m);
    expect(stdout).toMatch(/^conv1 +\d+ +\d+\.\d\d/m);
    expect(stdout).toContain("Seed 3.");
    expect(stdout).not.toContain("robustness claim");
    expect(stdout).not.toContain("\x1b");
  });

  test("the preset says what it is for", async () => {
    const { stdout } = await runCli(["evaluate", target, ...shapes, "--samples", "1"]);
    expect(stdout).toContain("for comparison with the paper, not a robustness claim");
  });

  test("Ctrl-C stops with 130 within two seconds and keeps the finished batches", async () => {
    const out = join(folder, "run");
    let interrupted = 0;
    const result = await runCli(
      // Far more steps than there is patience for
      [
        "evaluate",
        target,
        ...shapes,
        "--attack",
        "pgd:steps=100000,step-size=0.001,epsilon=0.03",
        "--out",
        out,
      ],
      {
        onStderr: (child, stderr) => {
          if (interrupted === 0 && stderr.includes("time steps")) {
            interrupted = -1;
            setTimeout(() => {
              interrupted = performance.now();
              child.kill("SIGINT");
            }, 500);
          }
        },
      },
    );
    expect(performance.now() - interrupted).toBeLessThan(2000);
    expect([result.code, result.stdout]).toEqual([130, ""]);
    expect(result.stderr).toContain("Interrupted (ABORTED)");
    expect(readdirSync(out)).toEqual(["checksums.jsonl", "config.json", "ledger.jsonl"]);
  });
});

describe("exit codes", () => {
  test.each([
    ["no command", [], "Usage"],
    ["an unknown command", ["evalaute"], "Did you mean evaluate"],
    ["no target", ["evaluate", ...shapes], "missing required argument 'target'"],
    ["no data set", ["evaluate", target], "--dataset"],
    [
      "an unknown data set",
      ["evaluate", target, "--dataset", "cifar11"],
      "cifar10, cifar100, mnist, folder, npz, shapes",
    ],
    ["a misspelt option", ["evaluate", target, ...shapes, "--sample", "3"], "Did you mean --samples"],
    [
      "a misspelt attack",
      ["evaluate", target, ...shapes, "--attack", "pgd:stepsize=1"],
      "did you mean step-size?",
    ],
    [
      "an attack without epsilon",
      ["evaluate", target, ...shapes, "--attack", "fgsm"],
      "--epsilon gives it to all",
    ],
    [
      "a folder without mean and std",
      ["evaluate", target, "--dataset", "folder", "--data", demo],
      "--mean, --std",
    ],
    [
      "an option that the data set does not have",
      ["evaluate", target, ...shapes, "--crop", "8"],
      "no crop for shapes",
    ],
    [
      "a mean that is no list",
      ["evaluate", target, ...shapes, "--mean", "0.5;1"],
      'for --mean but received "0.5;1"',
    ],
    ["an epsilon without attacks", ["evaluate", target, ...shapes, "--epsilon", "8/255"], "--attack fgsm"],
    [
      "an epsilon that is no number",
      ["evaluate", target, ...shapes, "--epsilon", "8/x"],
      'for --epsilon but received "8/x"',
    ],
    ["no samples", ["evaluate", target, ...shapes, "--samples", "0"], "for --samples"],
    [
      "too many samples",
      ["evaluate", target, ...shapes, "--samples", "1000000"],
      "for samples but received 1000000",
    ],
    [
      "another device",
      ["evaluate", target, ...shapes, "--device", "gpu"],
      'cuda:N for the device but received "gpu"',
    ],
  ])("2 for %s", async (_, args, message) => {
    const { code, stdout, stderr } = await runCli(args);
    expect(stderr).toContain(message);
    expect([code, stdout]).toEqual([2, ""]);
  });

  test("3 for a file that is refused", async () => {
    const notACheckpoint = join(folder, "model.pt");
    writeFileSync(notACheckpoint, "no checkpoint");
    const checkpoint = await runCli(["evaluate", notACheckpoint, ...shapes]);
    expect([checkpoint.code, checkpoint.stdout]).toEqual([3, ""]);
    expect(checkpoint.stderr).toMatch(/model\.pt.*\(CHECKPOINT_/s);
    const data = await runCli(["evaluate", target, "--dataset", "cifar10", "--data", folder]);
    expect([data.code, data.stdout]).toEqual([3, ""]);
    expect(data.stderr).toMatch(/cifar-10-batches-bin.*\(DATASET_INVALID\)/s);
  });

  test("1 for a failure", async () => {
    const blocked = join(folder, "file");
    writeFileSync(blocked, "");
    const { code, stderr } = await runCli([
      ...["evaluate", target, ...shapes, "--samples", "1", "--out", join(blocked, "run")],
    ]);
    expect(code).toBe(1);
    expect(stderr).toContain("(IO)");
  });

  test("0 for --help and --version, which need no addon", async () => {
    const environment = { HIRE_SNN_ADDON: join(folder, "none.node") };
    const help = await runCli(["evaluate", "--help"], { environment });
    expect([help.code, help.stderr]).toEqual([0, ""]);
    expect(help.stdout).toContain("--epsilon <e>");
    const version = await runCli(["--version"], { environment });
    const { version: expected } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      version: string;
    };
    expect(version).toEqual({ code: 0, stdout: `${expected}\n`, stderr: "" });
  });
});
