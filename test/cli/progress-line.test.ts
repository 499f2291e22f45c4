import { describeDuration, describeProgress, describeRuns, ProgressLine } from "../../src/cli/progress-line";
import type { Progress, RunProgress } from "../../src/evaluation/progress";

const progress: Progress = {
  samplesDone: 250,
  name: "vgg5.pt",
  samples: 1000,
  samplesBefore: 0,
  robust: 100,
  fraction: 0.25,
  fractionBefore: 0,
  attack: "pgd",
  access: "black",
  ...{ runs: [], runsTotal: 1, runsDone: 0 },
};

function stream(
  isTTY: boolean,
  size: object = { columns: 40 },
): { written: string[]; stream: NodeJS.WriteStream } {
  const written: string[] = [];
  const write = (text: string): boolean => written.push(text) > 0;
  return { written, stream: { isTTY, ...size, write } as unknown as NodeJS.WriteStream };
}

/** What a terminal shows after all that was written to it. */
function screen(written: readonly string[]): string[] {
  const lines = [""];
  let row = 0;
  const text = written.join("").replaceAll("\x1b[", "␛");
  for (const part of text.match(/␛\d*[AJK]|\r|\n|[^␛\r\n]+/g) ?? []) {
    const up = /^␛(\d+)A$/.exec(part);
    if (up) row -= Number(up[1]);
    else if (part === "\n") lines[++row] ??= "";
    else if (part === "␛J") lines.splice(row, Infinity, "");
    else if (part === "␛K") lines[row] = "";
    else if (part !== "\r") lines[row] = (lines[row] ?? "") + part;
  }
  return lines;
}

const job = (name: string, samplesDone: number, samplesBefore = 0): RunProgress => ({
  ...{ name, samplesDone, samplesBefore, samples: 200, robust: samplesDone / 2 },
});
const studied = (fraction: number, runs: readonly RunProgress[], runsDone = 0): Progress => ({
  ...progress,
  ...(runs[0] as RunProgress),
  ...{ fraction, runs, runsDone, runsTotal: 4, attack: "fgsm", access: "white" },
});

test("says what is done, how fast, and what remains", () => {
  expect(describeProgress(progress, 100)).toBe(
    "25 %  250 of 1000 images  robust 40.0 % (34.1 to 46.2)  2.50 images/s  ETA 5 min 00 s  pgd, black box",
  );
  expect(
    describeProgress({ ...progress, samplesDone: 0, fraction: 0, attack: "clean", access: "none" }, 0),
  ).toBe("0 %  0 of 1000 images  clean");
});

test.each([
  [0.4, "0 s"],
  [59.4, "59 s"],
  [59.6, "1 min 00 s"],
  [12 * 60 + 5, "12 min 05 s"],
  [3 * 3600 + 20 * 60 + 59, "3 h 20 min"],
])("describeDuration(%d)", (seconds, text) => {
  expect(describeDuration(seconds)).toBe(text);
});

test("rewrites one line of a terminal, not more often than the eye needs, and clears it", () => {
  const { written, stream: terminal } = stream(true);
  let now = 0;
  const line = new ProgressLine(terminal, { now: () => now });
  for (now = 0; now < 1000; now += 10) line.update(progress);
  line.finish();
  expect(written).toHaveLength(11);
  expect(written[0]?.startsWith("\r\x1b[K25 %")).toBe(true);
  expect(written.every((text) => text.length <= 39 + 4)).toBe(true);
  expect(written.at(-1)).toBe("\r\x1b[K");
});

test("writes plain lines now and then elsewhere", () => {
  const { written, stream: file } = stream(false);
  let now = 0;
  const line = new ProgressLine(file, { now: () => now });
  for (now = 0; now <= 25_000; now += 100) line.update(progress);
  line.finish();
  expect(written).toHaveLength(2);
  expect(written.join("")).not.toContain("\r");
});

test("of a study, each run that is computed has a line, with its own speed and remaining time, and the whole has one", () => {
  const runs = [job("a", 40), job("b", 100, 80), job("done", 200, 200)];
  const clock = new Map([
    ["a", 10],
    ["b", 10],
  ]);
  expect(describeRuns(studied(0.25, runs, 1), 60, clock)).toEqual([
    "40 of 200 images  robust 50.0 % (35.2 to 64.8)  4.00 images/s  ETA 40 s  a",
    "100 of 200 images  robust 50.0 % (40.4 to 59.6)  2.00 images/s  ETA 50 s  b",
    "25 %  1 of 4 runs  ETA 3 min 00 s  fgsm, white box",
  ]);
  expect(describeRuns(studied(0, [job("a", 0)]), 0, new Map())).toEqual([
    "0 of 200 images  a",
    "0 %  0 of 4 runs  fgsm, white box",
  ]);
});

test("the clock of a run starts with it, also in a later group of a study", () => {
  const { written, stream: terminal } = stream(true, { columns: 200, rows: 24 });
  let now = 0;
  const line = new ProgressLine(terminal, { now: () => now });
  const shown = (): string[] => screen(written);
  line.update(studied(0, [job("a-T4", 0), job("b-T4", 0)]));
  now = 100_000;
  line.update(studied(0.25, [job("a-T4", 100), job("b-T4", 100)]));
  expect(shown()).toEqual([
    expect.stringMatching(/1\.00 images\/s {2}ETA 1 min 40 s {2}a-T4$/),
    expect.stringMatching(/1\.00 images\/s {2}ETA 1 min 40 s {2}b-T4$/),
    "25 %  0 of 4 runs  ETA 5 min 00 s  fgsm, white box",
  ]);
  now = 200_000;
  line.update(studied(0.5, [job("a-T8", 0), job("b-T8", 0)], 2));
  now = 210_000;
  line.update(studied(0.6, [job("a-T8", 40)], 2));
  expect(shown()).toEqual([
    expect.stringMatching(/4\.00 images\/s {2}ETA 40 s {2}a-T8$/),
    "60 %  2 of 4 runs  ETA 2 min 20 s  fgsm, white box",
  ]);
  line.finish();
  expect(shown()).toEqual([""]);
});

test("no more lines than a terminal has, and room for what is said of an interruption", () => {
  const { written, stream: terminal } = stream(true, { columns: 200, rows: 4 });
  const controller = new AbortController();
  const line = new ProgressLine(terminal, { now: () => 0, signal: controller.signal });
  line.update(
    studied(
      0.1,
      ["a", "b", "c", "d", "e"].map((name) => job(name, 20)),
    ),
  );
  expect(screen(written).map((text) => text.split("  ").at(-1))).toEqual(["d", "e", "fgsm, white box"]);
  controller.abort();
  expect(screen(written)).toEqual([""]);
});

test("plain lines come after ten seconds or a tenth, whichever is first", () => {
  const { written, stream: file } = stream(false);
  let now = 0;
  const line = new ProgressLine(file, { now: () => now });
  const at = (seconds: number, fraction: number): number => {
    now = 1000 * seconds;
    line.update(studied(fraction, [job("a", fraction === 1 ? 200 : 1)], fraction === 1 ? 4 : 0));
    return written.length;
  };
  expect([at(0, 0.35), at(1, 0.39), at(2, 0.41), at(3, 0.49), at(12, 0.49), at(12.1, 1)]).toEqual([
    0, 0, 1, 1, 2, 3,
  ]);
  expect(written[0]).toMatch(/^1 of 200 images .* a\n41 % {2}0 of 4 runs .*\n$/);
  expect(written.at(-1)).toMatch(/^100 % {2}4 of 4 runs .*\n$/);
});
