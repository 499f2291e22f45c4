import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadTorchScript, type TorchScriptOptions } from "../../src/classifiers/load-torchscript";
import { crossEntropy, evaluateLoss } from "../../src/classifiers/loss";
import type { TorchScriptClassifier } from "../../src/classifiers/torchscript-classifier";
import { TorchScriptModule } from "../../src/classifiers/torchscript-module";
import { Tensor } from "../../src/tensor/tensor";
import { bytes } from "../checkpoint/mini-pickler";
import { temporaryFolder } from "../support/temporary-folder";
import { forward, scriptArchive, type ScriptSource } from "../support/torchscript";
import { numbers } from "./small-networks";

const folder = temporaryFolder();
const shape = [2, 2, 3] as const;
const pixels = 12;
const classes = 4;
const usual = { inputShape: shape, mean: [0.4, 0.6], std: [0.5, 0.25] } as const;

let files = 0;
function write(source: ScriptSource | string): string {
  const path = join(folder, `${files++}.pt`);
  writeFileSync(path, scriptArchive(typeof source === "string" ? { methods: source } : source));
  return path;
}

const load = (
  source: ScriptSource | string,
  options: TorchScriptOptions = {},
): Promise<TorchScriptClassifier> => loadTorchScript(write(source), { ...usual, ...options });

function random(count: number, seed = 1): Float32Array {
  const next = numbers(seed);
  return Float32Array.from({ length: count }, () => next());
}

const weight = [...random(classes * pixels, 7)].map((value) => value - 0.5);
/** The sum of three ways to call for a class: enough for gradients that depend on the image. */
const smooth: ScriptSource = {
  methods: forward(
    "weight = self.weight",
    "h = torch.linear(torch.flatten(x, 1), weight)",
    "return torch.add(h, torch.sin(torch.mul(h, 3)))",
  ),
  tensors: { weight: { values: weight, shape: [classes, pixels] } },
};
const linear: ScriptSource = {
  ...smooth,
  methods: forward("return torch.linear(torch.flatten(x, 1), self.weight)"),
};

function batchOf(count: number, seed = 3): Tensor {
  return Tensor.from(random(count * pixels, seed), [count, ...shape]);
}

async function gradientOf(classifier: TorchScriptClassifier, images: Tensor, labels: number[]) {
  const result = await classifier.inputGradient(images, crossEntropy(labels));
  const [gradient, losses, logits] = await Promise.all(
    [result.gradient, result.losses, result.logits].map((tensor) => tensor.data()),
  );
  for (const tensor of [result.gradient, result.losses, result.logits]) tensor.dispose();
  return { gradient: gradient!, losses: losses!, logits: logits! };
}

async function logitsOf(classifier: TorchScriptClassifier, images: Tensor) {
  using logits = await classifier.logits(images);
  return await logits.data();
}

describe("numbers", () => {
  test("logits, losses and gradients of a linear program are the closed form, normalisation included", async () => {
    using classifier = await load(linear);
    expect([classifier.classes, classifier.microBatch, classifier.output]).toEqual([classes, 8, ""]);
    const count = 11;
    const images = random(count * pixels);
    using batch = Tensor.from(images, [count, ...shape]);
    const labels = Array.from({ length: count }, (_, i) => i % classes);
    const { gradient, losses, logits } = await gradientOf(classifier, batch, labels);

    const expected = new Float64Array(count * classes);
    const channel = (pixel: number): number => Math.floor(pixel / 6);
    for (let n = 0; n < count; n++)
      for (let j = 0; j < classes; j++)
        for (let p = 0; p < pixels; p++) {
          const normalised = (images[n * pixels + p]! - usual.mean[channel(p)]!) / usual.std[channel(p)]!;
          expected[n * classes + j]! += weight[j * pixels + p]! * normalised;
        }
    const loss = evaluateLoss(crossEntropy(labels), expected, classes);
    expected.forEach((value, i) => expect(logits[i]).toBeCloseTo(value, 4));
    loss.losses.forEach((value, i) => expect(losses[i]).toBeCloseTo(value, 4));
    for (let n = 0; n < count; n++)
      for (let p = 0; p < pixels; p++) {
        let sum = 0;
        for (let j = 0; j < classes; j++) sum += loss.gradient[n * classes + j]! * weight[j * pixels + p]!;
        expect(gradient[n * pixels + p]).toBeCloseTo(sum / usual.std[channel(p)]!, 4);
      }
    expect(await logitsOf(classifier, batch)).toEqual(logits);
  });

  test("float64 weights make a program of float64, and images of either precision go in", async () => {
    using single = await load(smooth);
    using double = await load(smooth, { dtype: "float64" });
    expect([single.dtype, double.dtype]).toEqual(["float32", "float64"]);
    using images = batchOf(5);
    const [a, b] = [await logitsOf(single, images), await logitsOf(double, images)];
    expect([a, b].map((values) => values.BYTES_PER_ELEMENT)).toEqual([4, 8]);
    b.forEach((value, i) => expect(a[i]).toBeCloseTo(value, 4));
    const { gradient } = await double.inputGradient(images, crossEntropy([0, 1, 2, 3, 0]));
    expect(gradient.dtype).toBe("float32");
    using wide = Tensor.from(Float64Array.from(await images.data()), [5, ...shape]);
    const exact = await double.inputGradient(wide, crossEntropy([0, 1, 2, 3, 0]));
    expect(exact.gradient.dtype).toBe("float64");
    expect(Float32Array.from(await exact.gradient.data())).toEqual(await gradient.data());
  });

  test("a gradient has the same bits from the first call on", async () => {
    using classifier = await load(smooth);
    using images = batchOf(3);
    const first = await gradientOf(classifier, images, [0, 1, 2]);
    for (let call = 0; call < 30; call++)
      expect(await gradientOf(classifier, images, [0, 1, 2])).toEqual(first);
  });

  test("batches are cut into micro-batches of one size: neighbours, padding and concurrent calls change no bit", async () => {
    using classifier = await load(smooth);
    using images = batchOf(20);
    const whole = await logitsOf(classifier, images);
    const parts = await Promise.all(
      [0, 8, 16].map(async (begin) => {
        using rows = images.rows(begin, Math.min(begin + 8, 20));
        const [logits] = await Promise.all([
          logitsOf(classifier, rows),
          gradientOf(classifier, rows, new Array<number>(rows.shape[0]!).fill(1)),
        ]);
        return [...logits];
      }),
    );
    expect(parts.flat()).toEqual([...whole]);
  });
});

describe("what a program returns", () => {
  const returning = (type: string, value: string, more = ""): ScriptSource => ({
    ...linear,
    methods: forward("h = torch.linear(torch.flatten(x, 1), self.weight)", `return ${value}`).replace(
      "-> Tensor",
      `-> ${type}`,
    ),
    more,
  });
  const out = [
    "class Out:",
    "  score : Tensor",
    "  x : Tensor",
    "  def __init__(self: __torch__.Out,",
    "    h: Tensor,",
  ]
    .concat(["    x: Tensor) -> NoneType:", "    self.score = h", "    self.x = x", "    return None"])
    .join("\n");
  test.each([
    ["a tuple", returning("Tuple[Tensor, Tensor]", "(x, h)"), "1"],
    ["a dict", returning("Dict[str, Tensor]", '{"image": x, "logits": h}'), "logits"],
    ["a tuple in a tuple", returning("Tuple[Tensor, Tuple[Tensor, int]]", "(x, (h, 3))"), "1.0"],
    ["a list", returning("List[Tensor]", "[x, h]"), "1"],
    ["an object", returning("__torch__.Out", "__torch__.Out(h, x)", out), "score"],
    ["a map of one pixel", returning("Tensor", "torch.unsqueeze(torch.unsqueeze(h, 2), 3)"), ""],
  ])("logits are found by shape in %s", async (_, source, output) => {
    using bare = await load(linear);
    using classifier = await load(source);
    expect([classifier.output, classifier.classes]).toEqual([output, classes]);
    using images = batchOf(3);
    expect(await logitsOf(classifier, images)).toEqual(await logitsOf(bare, images));
  });

  test("of several that could be logits the named one counts, else the one with as many classes as there are", async () => {
    const both = returning("Tuple[Tensor, Tensor]", "(h, torch.slice(torch.neg(h), 1, 0, 3))");
    await expect(load(both)).rejects.toMatchObject({
      code: "SCRIPT_INVALID",
      message: expect.stringMatching(
        /received 0 \[8, 4\] of Float, 1 \[8, 3\] of Float; several.*--output/,
      ) as string,
    });
    using named = await load(both, { output: "1" });
    expect(named.classes).toBe(3);
    using counted = await load(both, { classes: 4 });
    expect([counted.output, counted.classes]).toEqual(["0", 4]);
    await expect(load(both, { output: "2" })).rejects.toMatchObject({ code: "SCRIPT_INVALID" });
  });

  test("no logits at all is an error that lists what there is", async () => {
    await expect(load(forward("return x"))).rejects.toMatchObject({
      code: "SCRIPT_INVALID",
      message: expect.stringContaining(
        "received a tensor [1, 2, 2, 3] of Float".replace("[1,", "[8,"),
      ) as string,
    });
  });
});

describe("programs that misbehave", () => {
  test("one that has a batch of one built in is run on one image at a time", async () => {
    using usualOne = await load(linear);
    using traced = await load({
      ...linear,
      methods: forward(`return torch.linear(torch.reshape(x, [1, ${pixels}]), self.weight)`),
    });
    expect([traced.microBatch, traced.warnings]).toEqual([
      1,
      ["It is run on one image at a time: it cannot be run on several."],
    ]);
    using images = batchOf(5);
    const expected = await logitsOf(usualOne, images);
    (await logitsOf(traced, images)).forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5));
  });

  test("one whose images see each other is run on one image at a time", async () => {
    using mixing = await load({
      ...linear,
      methods: forward(
        "h = torch.linear(torch.flatten(x, 1), self.weight)",
        "return torch.sub(h, torch.mean(h))",
      ),
    });
    expect(mixing.microBatch).toBe(1);
    expect(mixing.warnings.join()).toContain("depend on the others");
    using images = batchOf(3);
    using second = images.rows(1, 2);
    expect([...(await logitsOf(mixing, images))].slice(classes, 2 * classes)).toEqual([
      ...(await logitsOf(mixing, second)),
    ]);
  });

  test("one that changes its state starts from the file's each time", async () => {
    using counting = await load({
      ...linear,
      methods: forward(
        "n = torch.add(self.n, 1)",
        "self.n = n",
        "return torch.mul(torch.linear(torch.flatten(x, 1), self.weight), n)",
      ),
      attributes: { n: { type: "int", value: bytes(0x4b, 1) } },
    });
    expect(counting.warnings.join()).toContain("changes its own state");
    using images = batchOf(2);
    const first = await logitsOf(counting, images);
    const { logits } = await gradientOf(counting, images, [0, 1]);
    expect([logits, await logitsOf(counting, images)]).toEqual([first, first]);
  });

  test("one that writes to its weights starts from the file's each time", async () => {
    using writing = await load({
      ...linear,
      methods: forward("w = torch.mul_(self.weight, 2)", "return torch.linear(torch.flatten(x, 1), w)"),
    });
    using images = batchOf(2);
    expect(await logitsOf(writing, images)).toEqual(await logitsOf(writing, images));
  });

  test("one that draws random numbers is told of", async () => {
    using noisy = await load({
      ...linear,
      methods: forward(
        "h = torch.linear(torch.flatten(x, 1), self.weight)",
        "return torch.add(h, torch.rand_like(h))",
      ),
    });
    expect(noisy.repeatable).toBe(false);
    expect(noisy.warnings.join()).toContain("cannot be repeated");
  });

  test("training mode is left, and said", async () => {
    using classifier = await load({
      ...linear,
      training: true,
      methods: forward(
        "h = torch.linear(torch.flatten(x, 1), self.weight)",
        "return torch.dropout(h, 0.5, self.training)",
      ),
    });
    expect(classifier.repeatable).toBe(true);
    expect(classifier.warnings).toEqual(["It was saved in training mode and is run in evaluation mode."]);
  });

  test.each([
    ["raises", 'ops.prim.RaiseException("AssertionError: no such image")', "no such image"],
    ["wants another shape", "x = torch.linear(x, self.weight)", "mat1 and mat2 shapes cannot be multiplied"],
  ])("one that %s: its own last line, and where it is", async (_, line, said) => {
    await expect(load({ ...linear, methods: forward(line, "return x") })).rejects.toMatchObject({
      code: "SCRIPT_FAILED",
      message: expect.stringMatching(
        new RegExp(`^The script stopped: .*${said}.*, at code/__torch__.py:`),
      ) as string,
    });
  });

  test("one that needs more memory than there is", async () => {
    await expect(
      load({ ...linear, methods: forward("return torch.zeros([1000000000, 1000000])") }),
    ).rejects.toMatchObject({
      code: "OUT_OF_MEMORY",
      message: expect.stringContaining("the script") as string,
    });
  });

  test.each([
    ["detaches", "return torch.linear(torch.flatten(torch.detach(x), 1), self.weight)"],
    [
      "fires by a comparison",
      "return torch.linear(torch.to(torch.gt(torch.flatten(x, 1), 0), 6), self.weight)",
    ],
  ])("one that %s has no gradient", async (_, line) => {
    using images = batchOf(2);
    using classifier = await load({ ...linear, methods: forward(line) });
    await expect(classifier.inputGradient(images, crossEntropy([0, 1]))).rejects.toMatchObject({
      code: "NO_GRADIENT",
      message: expect.stringContaining("--allow-zero-gradient") as string,
    });
    using allowed = await load({ ...linear, methods: forward(line) }, { allowZeroGradient: true });
    expect([...(await gradientOf(allowed, images, [0, 1])).gradient]).toEqual(new Array(2 * pixels).fill(0));
    expect(allowed.identity).toMatchObject({ allowZeroGradient: true });
  });

  test("other methods than forward(Tensor) are named", async () => {
    const methods =
      "  def predict(self: __torch__.Net,\n    a: Tensor,\n    b: int) -> Tensor:\n    return a";
    await expect(load(methods)).rejects.toMatchObject({
      code: "SCRIPT_INVALID",
      message: expect.stringContaining("but found predict(Tensor a, int b) -> Tensor; wrap it") as string,
    });
  });

  test("operators that libtorch does not have are named", async () => {
    await expect(load(forward("return ops.torchvision.nms(x, x, 0.5)"))).rejects.toMatchObject({
      code: "SCRIPT_INVALID",
      message: expect.stringMatching(/torchvision::nms.*plain libtorch does not have/) as string,
    });
  });
});

describe("how it is used", () => {
  const dataset = { imageShape: [...shape] as [number, number, number], mean: [0.1, 0.1], std: [0.9, 0.9] };
  const withData = { dataset: { ...dataset, classes: ["a", "b", "c", "d"] } };
  const metadata = (content: unknown): ScriptSource => ({
    ...linear,
    extraFiles: { "hire-snn.json": typeof content === "string" ? content : JSON.stringify(content) },
  });
  const described = { schemaVersion: 1, inputShape: shape, mean: [0.2, 0.2], std: [0.8, 0.8] };

  test("options come first, then the archive's metadata, then the data set", async () => {
    using byOption = await loadTorchScript(write(metadata(described)), { ...usual, ...withData });
    expect(byOption).toMatchObject({
      mean: [0.4, 0.6],
      origin: { inputShapeFrom: "option", normalisationFrom: "option" },
    });
    using byArchive = await loadTorchScript(write(metadata(described)), withData);
    expect(byArchive).toMatchObject({
      ...{ mean: [0.2, 0.2], std: [0.8, 0.8] },
      origin: { inputShapeFrom: "archive", normalisationFrom: "archive" },
    });
    using byData = await loadTorchScript(write(linear), withData);
    expect(byData).toMatchObject({
      mean: [0.1, 0.1],
      origin: { inputShapeFrom: "data set", normalisationFrom: "data set" },
    });
    expect(byData.identity).toMatchObject({
      ...{
        kind: "torchscript",
        mean: [0.1, 0.1],
        std: [0.9, 0.9],
        dtype: "float32",
        microBatch: 8,
        output: "",
      },
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      threads: expect.any(Number) as number,
    });
  });

  test("a program that normalises by itself is given plain pixels", async () => {
    using inside = await loadTorchScript(
      write(metadata({ ...described, normalisation: "inside" })),
      withData,
    );
    expect(inside).toMatchObject({ mean: [0, 0], std: [1, 1], origin: { normalisationFrom: "archive" } });
    using told = await loadTorchScript(write(metadata({ ...described, normalisation: "inside" })), usual);
    expect([told.mean, told.warnings.length]).toEqual([[0, 0], 1]);
  });

  test("nothing is assumed", async () => {
    await expect(loadTorchScript(write(linear))).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("--input-shape") as string,
    });
    await expect(loadTorchScript(write(linear), { inputShape: shape })).rejects.toMatchObject({
      message: expect.stringContaining("--mean, --std") as string,
    });
    await expect(loadTorchScript(write(linear), { ...usual, mean: [1] })).rejects.toMatchObject({
      message: expect.stringContaining("received 1 and 2 (option)") as string,
    });
  });

  test.each([
    ["{", "JSON"],
    ["[]", "a JSON object"],
    [{ schemaVersion: 2 }, "schemaVersion 1"],
    [{ inputShape: [3, 0, 2] }, "three sizes"],
    [{ mean: [0] }, "mean and std together"],
    [{ mean: [0], std: [0] }, "above 0 as std"],
    [{ normalisation: "yes" }, '"inside" or "outside"'],
    [{ output: 3 }, "a text as output"],
  ])("metadata %j is refused", async (content, what) => {
    await expect(loadTorchScript(write(metadata(content)), usual)).rejects.toMatchObject({
      code: "SCRIPT_INVALID",
      message: expect.stringContaining(what) as string,
    });
  });

  test("images of another shape, labels out of range and use after disposal are errors", async () => {
    const classifier = await load(linear);
    using wrong = Tensor.from(new Float32Array(12), [1, 3, 2, 2]);
    await expect(classifier.logits(wrong)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    using images = batchOf(1);
    await expect(classifier.inputGradient(images, crossEntropy([4]))).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
    classifier.dispose();
    await expect(classifier.logits(images)).rejects.toMatchObject({ code: "DISPOSED" });
  });

  test("an AbortSignal stops it between micro-batches", async () => {
    using classifier = await load(smooth);
    using images = batchOf(20_000);
    const controller = new AbortController();
    const work = classifier.logits(images, { signal: controller.signal });
    controller.abort(new Error("enough"));
    await expect(work).rejects.toThrow("enough");
  });
});

test("a module runs on any tensor, and its methods are listed", async () => {
  using module = await TorchScriptModule.load(write(forward("return torch.mul(x, 2)")));
  expect(module.methods).toEqual(["forward(Tensor x) -> Tensor"]);
  using input = Tensor.from(Float32Array.of(1, 2, 3), [3]);
  const [output] = await module.forward(input);
  expect([output?.path, [...(await output!.tensor.data())]]).toEqual(["", [2, 4, 6]]);
});

const root = join(__dirname, "..", "..");

/** Runs code on the built package in a process of its own: `classifier` and `images` of `count` are there. */
function runApart(count: number, body: string) {
  const prelude = `
    const { Tensor, crossEntropy, loadTorchScript } = require(${JSON.stringify(join(root, "lib"))});
    const begin = async () => {
      const options = { inputShape: [2, 2, 3], mean: [0, 0], std: [1, 1] };
      const classifier = await loadTorchScript(${JSON.stringify(write(smooth))}, options);
      const images = Tensor.from(new Float32Array(${count} * 12).fill(0.5), [${count}, 2, 2, 3]);
      return { classifier, images, loss: crossEntropy(new Int32Array(${count})) };
    };`;
  return spawnSync(process.execPath, ["--expose-gc", "-e", prelude + body], {
    encoding: "utf8",
    timeout: 60_000,
    // Under AddressSanitizer, which keeps what was freed, memory would grow to 256 MB whatever is done.
    env: {
      ...process.env,
      ASAN_OPTIONS: `${process.env["ASAN_OPTIONS"] ?? ""}:quarantine_size_mb=0:thread_local_quarantine_size_kb=0`,
    },
  });
}

test.each([
  ["process.exit", "begin().then(start).then(() => process.exit(7));", 7, ""],
  [
    "a worker's termination",
    `const { Worker } = require("node:worker_threads");
     const code = "const begin = " + begin + "; const start = " + start + "; begin().then(start).then(() => " +
       "require('node:worker_threads').parentPort.postMessage(0));";
     const w = new Worker(
       "const { Tensor, crossEntropy, loadTorchScript } = require(" + JSON.stringify(LIB) + ");" + code, { eval: true });
     w.once("message", async () => console.log("ended", await w.terminate()));`,
    0,
    "ended 1",
  ],
])("%s with a script running ends as without it", (_, body, status, out) => {
  const start = `
    const LIB = ${JSON.stringify(join(root, "lib"))};
    const start = async ({ classifier, images, loss }) => {
      classifier.inputGradient(images, loss);
      await new Promise((resolve) => setTimeout(resolve, 50));
    };`;
  const result = runApart(200_000, start + body);
  expect({ status: result.status, signal: result.signal, out: result.stdout.trim() }).toEqual({
    ...{ status, signal: null, out },
  });
  expect(result.stderr).not.toMatch(/FATAL|terminate called|Aborted|core dumped/i);
});

test("10,000 calls forward and backward in turn take no more memory at their end than after the first 1,000", () => {
  const { stdout, stderr } = runApart(
    8,
    `(async () => {
      const { classifier, images, loss } = await begin();
      let early = 0;
      for (let call = 1; call <= 10_000; call++) {
        if (call % 2) (await classifier.logits(images)).dispose();
        else for (const tensor of Object.values(await classifier.inputGradient(images, loss))) tensor.dispose();
        if (call === 1_000) { gc(); early = process.memoryUsage.rss(); }
      }
      gc();
      console.log((process.memoryUsage.rss() - early) / 1e6);
    })();`,
  );
  expect(stderr).toBe("");
  expect(stdout).toMatch(/^-?\d/);
  expect(Number(stdout)).toBeLessThan(10);
});
