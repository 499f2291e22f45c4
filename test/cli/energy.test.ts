import { join } from "node:path";
import type { EnergyReport } from "../../src/cli/energy-table";
import type { Evaluation } from "../../src/evaluation/evaluate";
import { temporaryFolder } from "../support/temporary-folder";
import { demo, runCli } from "./run-cli";

const target = join(demo, "target.pt");
const folder = temporaryFolder();
const shapes = ["--dataset", "shapes", "--data", demo];

describe("energy", () => {
  test("--rates with --network needs neither weights nor data, nor the addon", async () => {
    const args = [
      "energy",
      "--network",
      "VGG11",
      "--classes",
      "100",
      "--timesteps",
      "8",
      "--rates",
      "5%,0.2",
    ];
    const { code, stdout, stderr } = await runCli(args, { environment: { HIRE_SNN_ADDON: "/nowhere.node" } });
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^VGG11, 100 classes, 8 time steps \(option\)/);
    expect(stdout).toMatch(/Energy per image, µJ: fp32 at 45 nm, operations with padding, 8 time steps\n/);
    expect(stdout).toMatch(/\nSinabs +423 +1497 +ANN +37\.63\n/);
    expect(stdout).toMatch(/\nsyops, SpikingJelly +5095 +5598 +ANN +never\n/);
    expect(stdout).toMatch(/\nconv1 +65,536 +5\.00 +26,214 +24,576 +1,769,472 +14,155,776 +13,572,096/);

    const { stdout: json } = await runCli([...args, "--json", "--preset", "int8", "--ann-zeros", "60%"]);
    const report = JSON.parse(json) as EnergyReport;
    expect(report.columns).toEqual(["5 %", "20 %"]);
    expect(report.energy).toMatchObject({ preset: { name: "int8" }, borders: "padded", timesteps: 8 });
    expect(report.energy.baselines.map(({ id }) => id)).toEqual([
      "ann",
      "ann-sparse",
      "ann-quantised",
      "ann-memory",
    ]);
  });

  test("--rates with a checkpoint takes its network and time steps", async () => {
    const { code, stdout } = await runCli(["energy", target, "--rates", "10%", "--definitions"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^12,A,24,24,A\/64,10, 10 classes/);
    expect(stdout).toContain("8 time steps");
    expect(stdout).toMatch(/\nNeuroBench: inputs that are not zero.*Nature Communications/);
  });

  test("counts on a data set, clean and under attack", async () => {
    const few = ["energy", target, ...shapes, "--samples", "6", "--attack", "fgsm", "--epsilon", "0.1"];
    const { code, stdout } = await runCli([...few, "--json", "--borders", "exact"]);
    expect(code).toBe(0);
    const { columns, layers, energy, measured } = JSON.parse(stdout) as EnergyReport;
    expect(measured?.identity).toMatchObject({ seed: 0, dataset: { name: "shapes", samples: 6 } });
    expect(measured?.results[1]?.spikes?.[0]?.perTimestep).toHaveLength(8);
    expect(columns).toEqual(["clean", "fgsm, white"]);
    expect(layers).toHaveLength(2);
    expect(energy.borders).toBe("exact");
    expect(energy.energies.every(({ picojoules }) => picojoules.length === 2)).toBe(true);
    const conv2 = layers[0]?.find(({ name }) => name === "conv2")?.weights;
    expect(Number.isInteger((conv2?.exact as number) * 6)).toBe(true);
    expect(conv2?.exact).toBeLessThan(conv2?.padded as number);

    const table = await runCli(["energy", target, ...shapes, "--samples", "4", "--clean"]);
    expect(table.stdout).toMatch(/^target\.pt: 12,A,24,24,A\/64,10, 4 images of shapes\n/);
    expect(table.stdout).toMatch(
      /\nclean: spikes per neuron at each time step, %\nLayer( +[1-8]){8}\nconv1( +\d+\.\d\d){8}\n/,
    );
    expect(table.stdout).toMatch(/\nConvention +clean +Baseline +Break-even rate, %\n/);
  });

  test("of a run's folder, without running anything, what the run counted", async () => {
    const out = join(folder, "run");
    const attack = ["--samples", "4", "--attack", "fgsm:epsilon=0.1", "--seed", "0"];
    const evaluation = await runCli(["evaluate", target, ...shapes, ...attack, "--out", out, "--json"]);
    const { code, stdout } = await runCli(["energy", out, "--json"], {
      environment: { HIRE_SNN_ADDON: "/nowhere.node" },
    });
    expect(code).toBe(0);
    const { title, columns, energy } = JSON.parse(stdout) as EnergyReport;
    expect(title).toBe("target.pt: 12,A,24,24,A/64,10, 4 images of shapes");
    expect(columns).toEqual(["clean", "fgsm, white"]);
    expect(energy).toEqual((JSON.parse(evaluation.stdout) as Evaluation).energy);

    const twice = await runCli(["energy", out, ...shapes]);
    expect([twice.code, twice.stdout]).toEqual([2, ""]);
    expect(twice.stderr).toContain("Expected nothing that says what to run beside");
  });

  test("of a rate-coded run there are none, and it says why", async () => {
    const out = join(folder, "rate");
    const few = ["--samples", "2", "--attack", "fgsm:epsilon=0.1", "--seed", "0"];
    const evaluation = await runCli([
      "evaluate",
      target,
      ...shapes,
      ...few,
      "--coding",
      "rate",
      "--out",
      out,
    ]);
    expect(evaluation.stdout).toContain("No energies: under rate coding the first layer makes additions");
    const { code, stdout, stderr } = await runCli(["energy", out]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("under rate coding the first layer makes additions");
  });

  test("an evaluation prints a convention without and one with memory", async () => {
    const { stdout } = await runCli([
      "evaluate",
      target,
      ...shapes,
      "--samples",
      "4",
      "--attack",
      "fgsm:epsilon=0.1",
    ]);
    expect(stdout).toMatch(
      /Energy per image, µJ: fp32 at 45 nm, [^\n]+\nConvention +ANN +clean +fgsm, white\npaper, pool's activity[^\n]+\nwith memory, per event/,
    );
  });

  test("of many results, an evaluation's tables have one row each", async () => {
    const attacks = [0.1, 0.2, 0.3, 0.4, 0.5].flatMap((epsilon) => ["--attack", `fgsm:epsilon=${epsilon}`]);
    const { stdout } = await runCli(["evaluate", target, ...shapes, "--samples", "2", ...attacks]);
    expect(stdout).toMatch(
      /\nAttack +conv1 +pool1 +conv2 +conv3 +pool2 +linear1\nclean( +\d+\.\d\d){6}\nfgsm:epsilon=0\.1, white( +\d+\.\d\d){6}\n/,
    );
    expect(stdout).toMatch(
      /\nEnergy of +paper, pool's activity[^\n]+with memory, per event\nANN +2\.79 +17\.2\nclean +[\d.]+ +[\d.]+\nfgsm/,
    );
  });

  test.each([
    [["energy"], "Expected a checkpoint and --dataset, or --rates"],
    [["energy", target], "Expected a checkpoint and --dataset, or --rates"],
    [["energy", "--rates", "5%"], "Expected a checkpoint or --network for --rates"],
    [["energy", "--network", "VGG12", "--rates", "5%"], 'found "VGG12"'],
    [
      ["energy", "--network", "8,A/10", "--classes", "5", "--rates", "5%"],
      "whose layers end in them, but received 5",
    ],
    [["energy", "--network", "VGG5", "--rates", "500%"], "Expected a share from 0 to 1"],
    [["energy", target, ...shapes, "--rates", "5%"], "Expected --rates without --dataset"],
    [["energy", target, ...shapes, "--clean", "--attack", "fgsm"], "with --clean"],
  ])("%j is refused", async (args, message) => {
    const { code, stdout, stderr } = await runCli(args);
    expect(code).not.toBe(0);
    expect(stdout).toBe("");
    expect(stderr).toContain(message);
  });
});
