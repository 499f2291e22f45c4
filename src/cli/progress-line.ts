import type { Progress, RunProgress } from "../evaluation/progress";
import { wilsonInterval } from "../evaluation/wilson";
import { StatusLine } from "./status-line";

/**
 * Shows the progress of an evaluation with its speed and remaining time; of a study, a line for each of the runs that are computed now,
 * and one for the whole.
 */
export class ProgressLine {
  private readonly line: StatusLine;
  /** When each run was first heard of. */
  private readonly begun = new Map<string, number>();
  private readonly now: () => number;

  /** @param signal after which a line would stand in the way of what is said of the interruption */
  constructor(
    stream: NodeJS.WriteStream,
    { now = () => performance.now(), signal }: { now?: () => number; signal?: AbortSignal } = {},
  ) {
    this.now = now;
    this.line = new StatusLine(stream, now);
    signal?.addEventListener("abort", () => {
      this.finish();
    });
  }

  update(progress: Progress): void {
    // Whether it is time for a line or not: a run's time begins here, and not when models are loaded or other runs are computed.
    const now = this.now();
    for (const { name } of progress.runs) if (!this.begun.has(name)) this.begun.set(name, now);
    this.line.update((seconds) => {
      const clock = new Map(progress.runs.map(({ name }) => [name, this.secondsOf(name, now)]));
      return progress.runsTotal === 1
        ? describeProgress(progress, this.secondsOf(progress.name, now))
        : describeRuns(progress, seconds, clock);
    }, fractionToSay(progress));
  }

  finish(): void {
    this.line.finish();
  }

  private secondsOf(name: string, now: number): number {
    return (now - (this.begun.get(name) ?? now)) / 1000;
  }
}

/** All is done when it is in the ledgers, which is when the last line has to be written. */
function fractionToSay({ fraction, runsDone, runsTotal }: Progress): number {
  return runsDone === runsTotal ? 1 : Math.min(fraction, 0.99);
}

/** @param seconds since the beginning of the run */
export function describeProgress(progress: Progress, seconds: number): string {
  return [
    `${Math.floor(progress.fraction * 100)} %`,
    ...describeSamples(progress, seconds),
    ...describeRest(progress, seconds),
    // Last, because a narrow terminal cuts the line and an attack may have a long name.
    describeWork(progress),
  ].join("  ");
}

/**
 * A line for each run that is computed now, and one for all of a study.
 *
 * @param seconds since the beginning of the study
 * @param clock seconds since the beginning of each run
 */
export function describeRuns(
  progress: Progress,
  seconds: number,
  clock: ReadonlyMap<string, number>,
): string[] {
  const running = progress.runs.filter(({ samplesDone, samples }) => samplesDone < samples);
  const lines = running.map((run) => {
    const { name, samples, samplesDone, samplesBefore } = run;
    const secondsOfRun = clock.get(name) ?? 0;
    const doneHere = samplesDone - samplesBefore;
    const rest = doneHere > 0 ? [eta((secondsOfRun * (samples - samplesDone)) / doneHere)] : [];
    // A run's name is as long as those of its models.
    return [...describeSamples(run, secondsOfRun), ...rest, name].join("  ");
  });
  const { runsDone, runsTotal, fraction } = progress;
  const whole = [
    `${Math.floor(fraction * 100)} %`,
    `${runsDone} of ${runsTotal} runs`,
    ...describeRest(progress, seconds),
    describeWork(progress),
  ];
  return [...lines, whole.join("  ")];
}

function describeSamples(
  { samples, samplesDone, samplesBefore, robust }: RunProgress,
  seconds: number,
): string[] {
  const parts = [`${samplesDone} of ${samples} images`];
  if (samplesDone > 0) parts.push(describeRobust(robust, samplesDone));
  const doneHere = samplesDone - samplesBefore;
  if (doneHere > 0 && seconds > 0) parts.push(describeSpeed(doneHere / seconds));
  return parts;
}

function describeRest({ fraction, fractionBefore }: Progress, seconds: number): string[] {
  const fractionHere = fraction - fractionBefore;
  // The first moments say little about the rest.
  return fractionHere > 0 && seconds >= 1 ? [eta((seconds * (1 - fraction)) / fractionHere)] : [];
}

function describeWork({ attack, access }: Progress): string {
  return access === "none" ? attack : `${attack}, ${access} box`;
}

function eta(seconds: number): string {
  return `ETA ${describeDuration(seconds)}`;
}

/** Samples that are right clean and under every attack so far, with the 95 % Wilson interval of their share. */
export function describeRobust(robust: number, samples: number): string {
  const [low, high] = wilsonInterval(robust, samples).map((bound) => (100 * bound).toFixed(1));
  return `robust ${((100 * robust) / samples).toFixed(1)} % (${low} to ${high})`;
}

/** "45 s", "12 min 05 s", "3 h 20 min" */
export function describeDuration(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (value: number): string => String(value).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}

/** "0.989 images/s", "162 images/s", "4350 images/s": never a power of ten. */
export function describeSpeed(imagesPerSecond: number): string {
  return `${imagesPerSecond < 1000 ? imagesPerSecond.toPrecision(3) : Math.round(imagesPerSecond)} images/s`;
}
