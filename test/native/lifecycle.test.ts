import { spawnSync } from "node:child_process";
import { join } from "node:path";

/**
 * Ends a process or a worker while the addon computes. Each case runs in a process of its own, on the built package: an abort
 * there is a failure here, and not the end of the tests.
 */
const root = join(__dirname, "..", "..");

/** Of a case, in milliseconds: far more than it takes, also on a machine that does something else besides. */
const patience = 180_000;
jest.setTimeout(patience + 10_000);

const prelude = `
  const { Tensor, crossEntropy, evaluate, loadClassifier, openDataset } = require(${JSON.stringify(join(root, "lib"))});
  const data = ${JSON.stringify(join(root, "examples", "demo"))};
  const target = data + "/target.pt";
  const count = 4096;
  /** Resolves once the work has begun; a second of it or more is left then. */
  async function begin() {
    const classifier = await loadClassifier(target);
    const images = Tensor.from(new Float32Array(count * 3 * 16 * 16).fill(0.5), [count, 3, 16, 16]);
    const work = classifier.inputGradient(images, crossEntropy(new Int32Array(count)));
    let done = false;
    work.then(() => (done = true));
    await new Promise((resolve) => setTimeout(resolve, 50));
    if (done) throw new Error("the work was over too soon for this test");
    return { work };
  }
  /** The figures of 32 images as a text. */
  async function evaluateDemo(onProgress) {
    const dataset = await openDataset("shapes", { data });
    const classifier = await loadClassifier(target, dataset);
    const { results } = await evaluate(
      { target: classifier, dataset, attacks: "hire", samples: 32, batchSize: 4, seed: 0, onProgress });
    classifier.dispose();
    await dataset.close();
    return JSON.stringify(results);
  }
`;

const worker = `
  const { Worker } = require("node:worker_threads");
  const start = (body) => new Worker(${JSON.stringify(prelude)} + body, { eval: true });
`;

function run(body: string): { status: number | null; signal: string | null; out: string; err: string } {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ["-e", prelude + body], {
    encoding: "utf8",
    timeout: patience,
  });
  return { status, signal, out: stdout.trim(), err: stderr };
}

test.each([
  ["process.exit", `begin().then(() => process.exit(7));`, 7, ""],
  ["an uncaught exception", `begin().then(() => setImmediate(() => { throw new Error("meant"); }));`, 1, ""],
  ["an unhandled rejection", `begin().then(() => { throw new Error("meant"); });`, 1, ""],
  [
    "a worker's termination",
    `${worker} const w = start("begin().then(() => require('node:worker_threads').parentPort.postMessage(0));");
     w.once("message", async () => console.log("ended", await w.terminate()));`,
    0,
    "ended 1",
  ],
  [
    "process.exit inside a worker",
    `${worker} start("begin().then(() => process.exit(5));").once("exit", (code) => console.log("ended", code));`,
    0,
    "ended 5",
  ],
  [
    "process.exit on the main thread while a worker computes",
    `${worker} start("begin().then(() => require('node:worker_threads').parentPort.postMessage(0));")
       .once("message", () => process.exit(7));`,
    7,
    "",
  ],
  [
    "an uncaught exception inside a worker",
    `${worker} start("begin().then(() => setImmediate(() => { throw new Error('meant'); }));")
       .once("error", (error) => console.log("ended", error.message));`,
    0,
    "ended meant",
  ],
])("%s with work in flight ends as without it", (_, body, status, out) => {
  const result = run(body);
  expect(result).toMatchObject({ status, signal: null, out });
  if (status === 1) expect(result.err).toContain("Error: meant");
  expect(result.err).not.toMatch(/FATAL|terminate called|Aborted|core dumped/i);
});

test.each([
  ["a classifier is being loaded", `loadClassifier(target); setImmediate(() => process.exit(7));`],
  [
    "an evaluation runs",
    `evaluateDemo(({ samplesDone }) => samplesDone > 0 && process.exit(7)).catch(console.error);`,
  ],
  [
    "a worker computes that alone has loaded the addon, by an uncaught exception",
    `${worker} start("begin().then(() => require('node:worker_threads').parentPort.postMessage(0));")
       .once("message", () => { process.exitCode = 7; process.once("uncaughtException", () => process.exit()); throw 0; });`,
  ],
])("the process ends in good order while %s", (_, body) => {
  expect(run(body)).toMatchObject({ status: 7, signal: null, out: "", err: "" });
});

test.each(["SIGINT", "SIGTERM"])("%s ends a process that computes, and nothing aborts before", (signal) => {
  const result = run(`begin().then(() => process.kill(process.pid, "${signal}"));`);
  expect(result).toMatchObject({ status: null, signal, out: "", err: "" });
});

/**
 * From its first line to long after its work has begun: while the package is loaded, the addon, the network; queued; computing;
 * handing over. The main thread computes at the same time, and has to get what it gets alone.
 */
test("workers can be terminated at any moment, and the main thread's figures do not change", () => {
  const result = run(`${worker}
    const moments = Array.from({ length: 16 }, (_, i) => i * 35);
    const endAfter = async (milliseconds) => {
      const ended = start("begin().then(({ work }) => work).catch(() => {}); evaluateDemo(() => {}).catch(() => {});");
      ended.on("error", (error) => console.log("error", error));
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
      return ended.terminate();
    };
    (async () => {
      const alone = await evaluateDemo(() => {});
      const together = evaluateDemo(() => {});
      for (const moment of moments) await Promise.all([endAfter(moment), endAfter(moment + 17)]);
      console.log(await together === alone && await evaluateDemo(() => {}) === alone ? "same" : "differs");
    })();`);
  expect(result).toMatchObject({ status: 0, signal: null, out: "same", err: "" });
});

/** Results that are handed over one after the other: the termination comes in the middle of one. */
test("a worker can be terminated while results are being handed over", () => {
  const result = run(`${worker}
    const body = \`
      const t = Tensor.from(Float32Array.of(1, 2, 3), [3]);
      (async () => { for (;;) await Promise.all(Array.from({ length: 64 }, () => t.data())); })();
      require("node:worker_threads").parentPort.postMessage(0);\`;
    (async () => {
      for (let i = 0; i < 15; i++) {
        const ended = start(body);
        await new Promise((resolve) => ended.once("message", resolve));
        await new Promise((resolve) => setTimeout(resolve, 20 + (i % 7)));
        await ended.terminate();
      }
      console.log("ended");
    })();`);
  expect(result).toMatchObject({ status: 0, signal: null, out: "ended", err: "" });
});

test("workers that compute at once get what the main thread gets", () => {
  const result = run(`${worker}
    const inWorker = () => new Promise((resolve, reject) => {
      start("evaluateDemo(() => {}).then((text) => require('node:worker_threads').parentPort.postMessage(text));")
        .once("message", resolve).once("error", reject);
    });
    Promise.all([evaluateDemo(() => {}), inWorker(), inWorker(), inWorker()])
      .then((figures) => console.log(new Set(figures).size, figures[0].length > 100));`);
  expect(result).toMatchObject({ status: 0, out: "1 true" });
});

test("the process stays alive for a promise and ends by itself after it", () => {
  const result = run(
    `begin().then(({ work }) => work).then(({ gradient }) => console.log(gradient.shape.join()));`,
  );
  expect(result).toMatchObject({ status: 0, out: "4096,3,16,16" });
});

test("queued operations that nobody waits for do not keep the process alive", () => {
  const result = run(
    `let t = Tensor.from(new Float32Array(100), [100]); for (let i = 0; i < 1000; i++) t = t.add(1);`,
  );
  expect(result).toMatchObject({ status: 0, err: "" });
});

test("a worker computes what the main thread computes, and its errors are of its own realm", () => {
  const body = `
    const sum = async () => {
      const { Tensor } = require(${JSON.stringify(join(root, "lib"))});
      const t = Tensor.from(Float32Array.of(1, 2), [2]);
      let error;
      try { t.rows(0, 5); } catch (thrown) { error = thrown; }
      return [[...(await t.add(1).data())].join(), error.code, error instanceof Error].join(" ");
    };`;
  const result = run(`${worker} ${body}
    start(${JSON.stringify(`${body} sum().then((text) => require("node:worker_threads").parentPort.postMessage(text));`)})
      .once("message", async (text) => console.log(text === await sum() ? text : "differs: " + text));`);
  expect(result).toMatchObject({ status: 0, out: "2,3 INVALID_ARGUMENT true" });
});

test("other work goes on while the addon computes: a timer fires meanwhile", () => {
  const result = run(`
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    begin().then(({ work }) => work).then(() => { clearInterval(timer); console.log(ticks > 5 ? "free" : "blocked"); });`);
  expect(result).toMatchObject({ status: 0, out: "free" });
});

test("a missing addon is named with the way out, and what needs none works without it", () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    [
      "-e",
      `const { Tensor, crossEntropy } = require(${JSON.stringify(join(root, "lib"))});
       crossEntropy([1]);
       try { Tensor.from(new Float32Array(1), [1]); } catch (error) { console.error(error.code, error.message); }`,
    ],
    { encoding: "utf8", env: { ...process.env, HIRE_SNN_ADDON: "/nowhere/hire_snn.node" } },
  );
  expect(status).toBe(0);
  expect(stderr).toMatch(/^ADDON_UNAVAILABLE Expected the addon at \/nowhere.*\n.*npm run setup/);
});
