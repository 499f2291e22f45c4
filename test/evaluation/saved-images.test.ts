import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { Attack } from "../../src/attacks/attack";
import { fgsmAttack } from "../../src/attacks/fgsm";
import { openDataset } from "../../src/datasets/open-dataset";
import { evaluate, type EvaluateOptions } from "../../src/evaluation/evaluate";
import { mergeRuns } from "../../src/evaluation/merge";
import type { RunConfig } from "../../src/evaluation/run-config";
import { RunFolder } from "../../src/evaluation/run-folder";
import { study } from "../../src/evaluation/study";
import { describeUnless } from "../support/skip";
import { linearModel, PlainClassifier } from "../attacks/closed-form";
import { temporaryFolder } from "../support/temporary-folder";
import { randomPoints } from "./random-points";

const folder = temporaryFolder();
const base = (): EvaluateOptions => ({
  target: new PlainClassifier(
    2,
    [1, 1, 2],
    linearModel([
      [2, 0],
      [0, 2],
    ]),
  ),
  ...{ dataset: randomPoints(10), attacks: [fgsmAttack({ epsilon: 0.1 })], seed: 0, batchSize: 4 },
});

test("adversarial images are kept in float32, also where the run was stopped, and pictures of a few", async () => {
  const out = join(folder, "run");
  const options = { ...base(), out, saveAdversarial: true, savePng: [5] };
  const controller = new AbortController();
  const onProgress = ({ samplesDone }: { samplesDone: number }): void => {
    if (samplesDone === 4) controller.abort(new Error("enough"));
  };
  await expect(evaluate({ ...options, onProgress, signal: controller.signal })).rejects.toThrow("enough");
  await evaluate({ ...options, resume: true });
  expect(readdirSync(join(out, "adversarial"))).toEqual(["fgsm-white.npz"]);
  expect(readdirSync(join(out, "png", "5")).sort()).toEqual([
    ...["clean.png", "fgsm-white-perturbation.png", "fgsm-white.png"],
  ]);
  const kept = await openDataset("npz", { data: join(out, "adversarial", "fgsm-white.npz") });
  const [clean, adversarial] = [await randomPoints(10).read(0, 10), await kept.read(0, 10)];
  await kept.close();
  expect(adversarial.labels).toEqual(clean.labels);
  const eps = Math.fround(0.1);
  const expected = clean.images.map((value, i) => {
    const label = clean.labels[Math.floor(i / 2)] as number;
    return Math.min(1, Math.max(0, Math.fround(value + (i % 2 === label ? -eps : eps))));
  });
  expect(adversarial.images).toEqual(expected);
});

test("a run that was begun without them is not gone on with them", async () => {
  const out = join(folder, "without");
  const controller = new AbortController();
  const onProgress = ({ samplesDone }: { samplesDone: number }): void => {
    if (samplesDone === 4) controller.abort(new Error("enough"));
  };
  await expect(evaluate({ ...base(), out, onProgress, signal: controller.signal })).rejects.toThrow("enough");
  await expect(evaluate({ ...base(), out, resume: true, saveAdversarial: true })).rejects.toMatchObject({
    code: "RUN_MISMATCH",
    message: expect.stringContaining("begun without --save-adversarial") as string,
  });
  expect(existsSync(join(out, "results.json"))).toBe(false);
});

test("a run that was finished without them does not pretend to have them", async () => {
  const out = join(folder, "finished");
  const { results } = await evaluate({ ...base(), out });
  await expect(evaluate({ ...base(), out, resume: true, saveAdversarial: true })).rejects.toMatchObject({
    code: "RUN_MISMATCH",
    message: expect.stringContaining("found it finished without") as string,
  });
  expect((await evaluate({ ...base(), out, resume: true })).results).toEqual(results);
});

const configOf = (out: string): RunConfig =>
  JSON.parse(readFileSync(join(out, "config.json"), "utf8")) as RunConfig;
/** Begins a run and stops it after its first batch of four. */
async function stopped(options: EvaluateOptions): Promise<void> {
  const controller = new AbortController();
  const onProgress = ({ samplesDone }: { samplesDone: number }): void => {
    if (samplesDone === 4) controller.abort(new Error("enough"));
  };
  await expect(evaluate({ ...options, onProgress, signal: controller.signal })).rejects.toThrow("enough");
}
const pictures = (out: string): string[] =>
  readdirSync(join(out, "png"), { recursive: true }).map(String).sort();
const pictureBytes = (out: string): Buffer[] =>
  pictures(out)
    .filter((name) => name.endsWith(".png"))
    .map((name) => readFileSync(join(out, "png", name)));

describe("pictures that are asked for on resume", () => {
  const whole = async (): Promise<string> => {
    const out = join(folder, "pictured");
    await evaluate({ ...base(), out, saveAdversarial: true, savePng: [1, 7], resume: true });
    return out;
  };

  test("are made of the adversarial images that were kept, for samples that were finished", async () => {
    const out = join(folder, "later");
    await stopped({ ...base(), out, saveAdversarial: true });
    await evaluate({ ...base(), out, saveAdversarial: true, savePng: [1, 7], resume: true });
    expect(pictures(out)).toEqual(pictures(await whole()));
    expect(pictureBytes(out)).toEqual(pictureBytes(await whole()));
  });

  test("are made of a finished run's archives, and its configuration says so", async () => {
    const out = join(folder, "much-later");
    const first = await evaluate({ ...base(), out, saveAdversarial: true });
    const before = configOf(out);
    expect(await evaluate({ ...base(), out, savePng: [7, 1], resume: true })).toEqual(first);
    expect(pictureBytes(out)).toEqual(pictureBytes(await whole()));
    // Nothing was computed: how the run was executed is what it was.
    const saves = { adversarial: true, png: [1, 7] };
    expect(configOf(out)).toEqual({ ...before, execution: { ...before.execution, saves } });
    // And of samples whose pictures are there, nothing has to be kept.
    rmSync(join(out, "adversarial"), { recursive: true });
    await evaluate({ ...base(), out, savePng: [1], resume: true });
  });

  test("are refused where there is nothing to make them of, and no claim is left behind", async () => {
    const out = join(folder, "too-late");
    await stopped({ ...base(), out });
    const refused = { code: "RUN_MISMATCH", message: expect.stringContaining("samples 1, 3 in") as string };
    await expect(evaluate({ ...base(), out, savePng: [1, 3, 7], resume: true })).rejects.toMatchObject(
      refused,
    );
    expect(configOf(out).execution.saves).toBeUndefined();
    await evaluate({ ...base(), out, savePng: [7], resume: true });
    expect(readdirSync(join(out, "png"))).toEqual(["7"]);
    await expect(evaluate({ ...base(), out, savePng: [1, 3], resume: true })).rejects.toMatchObject(refused);
  });
});

test("what a kill left of files of plain numbers and archives is removed on resume", async () => {
  const out = join(folder, "leftovers");
  const { results } = await evaluate({ ...base(), out, saveAdversarial: true });
  // Killed after the archives were made, while the files that they were made of were being removed.
  rmSync(join(out, "results.json"));
  const adversarial = join(out, "adversarial");
  for (const name of ["fgsm-white.f32", "fgsm-white.npz.123.partial"])
    writeFileSync(join(adversarial, name), "");
  writeFileSync(join(adversarial, "notes.partial"), "the user's");
  expect((await evaluate({ ...base(), out, resume: true })).results).toEqual(results);
  expect(readdirSync(adversarial).sort()).toEqual(["fgsm-white.npz", "notes.partial"]);
});

describe("shards with images", () => {
  const parts = async (name: string, changes: readonly Partial<EvaluateOptions>[]): Promise<string[]> => {
    const outs = changes.map((_, i) => join(folder, `${name}-${i + 1}`));
    for (const [i, out] of outs.entries()) {
      const shard = { index: i + 1, count: outs.length };
      await evaluate({ ...base(), saveAdversarial: true, savePng: [1, 7], ...changes[i], out, shard });
    }
    return outs;
  };

  test("merged have those of the run that was never cut, byte for byte", async () => {
    const whole = join(folder, "uncut");
    await evaluate({ ...base(), out: whole, saveAdversarial: true, savePng: [1, 7] });
    const out = join(folder, "merged");
    const merged = await mergeRuns(await parts("joined", [{}, {}, {}]), out);
    expect(merged.warnings).toEqual([]);
    const archive = (run: string): Buffer => readFileSync(join(run, "adversarial", "fgsm-white.npz"));
    expect(archive(out).equals(archive(whole))).toBe(true);
    expect(pictures(out)).toEqual(pictures(whole));
    expect(pictureBytes(out)).toEqual(pictureBytes(whole));
    expect(configOf(out).execution.saves).toEqual({ adversarial: true, png: [1, 7] });
    // The merged run has them for those who ask again, and stays one that was merged.
    await evaluate({ ...base(), out, saveAdversarial: true, savePng: [1, 7], resume: true });
    rmSync(join(out, "results.json"));
    await evaluate({ ...base(), out, saveAdversarial: true, savePng: [1, 7], resume: true });
    expect(configOf(out).execution.merged).toHaveLength(3);
  });

  test("of which one has kept none have none when merged, and it is said", async () => {
    const out = join(folder, "merged-without");
    const [kept, without] = (await parts("partly", [{}, { saveAdversarial: false }])) as [string, string];
    const { warnings } = await mergeRuns([kept, without], out);
    expect(warnings).toMatchObject([
      { code: "IMAGES_NOT_MERGED", message: expect.stringContaining(`${without} kept none`) as string },
    ]);
    expect(existsSync(join(out, "adversarial"))).toBe(false);
    expect(configOf(out).execution.saves).toEqual({ adversarial: false, png: [1, 7] });
  });

  test("that cannot be merged to the end leave no folder behind", async () => {
    const shards = await parts("damaged", [{}, {}]);
    const archive = join(shards[1] as string, "adversarial", "fgsm-white.npz");
    const content = readFileSync(archive);
    truncateSync(archive, content.length - 10);
    const out = join(folder, "all-or-nothing");
    await expect(mergeRuns(shards, out)).rejects.toMatchObject({ code: "DATASET_INVALID" });
    expect(readdirSync(folder).filter((name) => name.startsWith("all-or-nothing"))).toEqual([]);
    writeFileSync(archive, content);
    await mergeRuns(shards, out);
    expect(readdirSync(folder).filter((name) => name.startsWith("all-or-nothing"))).toEqual([
      "all-or-nothing",
    ]);
    await expect(mergeRuns(shards, out)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("is empty for the merged run but found") as string,
    });
  });
});

describeUnless(process.platform === "linux" ? null : "there is no /proc/self/fd", "a step that fails", () => {
  /** The files of a folder that this process has open. */
  const openIn = (out: string): string[] =>
    readdirSync("/proc/self/fd").flatMap((fd) => {
      try {
        const path = readlinkSync(join("/proc/self/fd", fd));
        return path.startsWith(out) ? [path] : [];
      } catch {
        return [];
      }
    });

  test("while a run is opened leaves no file open, and no lock", async () => {
    const out = join(folder, "half-open");
    const attacks = [fgsmAttack({ epsilon: 0.1 }), fgsmAttack({ epsilon: 0.2 })];
    await stopped({ ...base(), attacks, out, saveAdversarial: true });
    const [, second] = readdirSync(join(out, "adversarial")).sort();
    rmSync(join(out, "adversarial", second as string));
    const again = { ...base(), attacks, out, resume: true };
    await expect(evaluate({ ...again, saveAdversarial: true })).rejects.toMatchObject({
      code: "RUN_MISMATCH",
    });
    expect(openIn(out)).toEqual([]);
    await evaluate(again);
    expect(openIn(out)).toEqual([]);
  });

  test("after a folder to go on with has been opened leaves none open either, and no lock", async () => {
    const out = join(folder, "opened");
    await stopped({ ...base(), out });
    const handle = await open(join(out, "config.json"));
    const truncate = jest.spyOn(Object.getPrototypeOf(handle) as FileHandle, "truncate");
    await handle.close();
    const seen: string[][] = [];
    for (const truncated of [0, 1]) {
      const calls = truncate.mock.calls.length;
      truncate.mockImplementation(() => {
        if (truncate.mock.calls.length - calls <= truncated) return Promise.resolve();
        seen.push(openIn(out).sort(), readdirSync(out));
        return Promise.reject(Object.assign(new Error("i/o error, ftruncate"), { code: "EIO" }));
      });
      await expect(evaluate({ ...base(), out, resume: true })).rejects.toMatchObject({
        code: "IO",
        message: expect.stringContaining(`open the run folder ${out}`) as string,
      });
      expect(openIn(out)).toEqual([]);
      expect(readdirSync(out).filter((name) => name.startsWith("run.lock"))).toEqual([]);
    }
    // It failed where there was something to release.
    expect(seen[0]).toEqual(["checksums.jsonl", "ledger.jsonl"].map((name) => join(out, name)));
    expect(seen[1]).toContain("run.lock");
    expect(seen).toHaveLength(4);
    truncate.mockRestore();
    await evaluate({ ...base(), out, resume: true });
  });

  test("while a run is closed does not keep the others from being closed", async () => {
    const out = join(folder, "closed");
    const models = ["a", "b", "c"].map((name) => ({ name, load: () => Promise.resolve(base().target) }));
    const runFolderClose = jest.spyOn(RunFolder.prototype, "close");
    runFolderClose.mockImplementationOnce(async function (this: RunFolder) {
      await this.close();
      throw new Error("cannot close");
    });
    const { dataset, attacks } = base();
    const options = { models, attacks: attacks as Attack[], dataset, seed: 0, out };
    await expect(study(options)).rejects.toThrow("cannot close");
    expect(runFolderClose).toHaveBeenCalledTimes(1 + models.length);
    runFolderClose.mockRestore();
    expect(openIn(out)).toEqual([]);
    expect((await study(options)).runs).toHaveLength(3);
  });
});
