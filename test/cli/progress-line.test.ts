import { describeDuration, describeProgress, ProgressLine } from "../../src/cli/progress-line";
import type { Progress } from "../../src/evaluation/progress";

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
  runs: [],
};

function stream(isTTY: boolean): { written: string[]; stream: NodeJS.WriteStream } {
  const written: string[] = [];
  const write = (text: string): boolean => written.push(text) > 0;
  return { written, stream: { isTTY, columns: 40, write } as unknown as NodeJS.WriteStream };
}

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
  const line = new ProgressLine(terminal, () => now);
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
  const line = new ProgressLine(file, () => now);
  for (now = 0; now <= 25_000; now += 100) line.update(progress);
  line.finish();
  expect(written).toHaveLength(2);
  expect(written.join("")).not.toContain("\r");
});
