import type { Progress } from "../evaluation/progress";
import { wilsonInterval } from "../evaluation/wilson";
import { StatusLine } from "./status-line";

/** Shows the progress of an evaluation with its speed and remaining time. */
export class ProgressLine {
  private readonly line: StatusLine;

  constructor(stream: NodeJS.WriteStream, now?: () => number) {
    this.line = new StatusLine(stream, now);
  }

  update(progress: Progress): void {
    this.line.update((seconds) => describeProgress(progress, seconds));
  }

  finish(): void {
    this.line.finish();
  }
}

/** @param seconds since the beginning */
export function describeProgress(progress: Progress, seconds: number): string {
  const { samplesDone, samplesBefore, samples, robust, fraction, fractionBefore, attack, access } = progress;
  const doneHere = samplesDone - samplesBefore;
  const parts = [`${Math.floor(fraction * 100)} %`, `${samplesDone} of ${samples} images`];
  if (samplesDone > 0) parts.push(describeRobust(robust, samplesDone));
  if (doneHere > 0) parts.push(`${(doneHere / seconds).toPrecision(3)} images/s`);
  // The first moments say little about the rest.
  const fractionHere = fraction - fractionBefore;
  if (fractionHere > 0 && seconds >= 1)
    parts.push(`ETA ${describeDuration((seconds * (1 - fraction)) / fractionHere)}`);
  // Last, because a narrow terminal cuts the line and an attack may have a long name.
  parts.push(access === "none" ? attack : `${attack}, ${access} box`);
  return parts.join("  ");
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
