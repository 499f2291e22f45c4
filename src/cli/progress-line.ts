import type { Progress } from "../evaluation/progress";

/** Between two updates: often enough for the eye on a terminal, rarely enough for a log file. */
const terminalInterval = 100;
const logInterval = 10_000;

/**
 * Shows the progress of an evaluation with its speed and remaining time: one line that is rewritten on a terminal, a line now and
 * then elsewhere.
 */
export class ProgressLine {
  private readonly begun: number;
  private shown: number;

  constructor(
    private readonly stream: NodeJS.WriteStream,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.begun = now();
    this.shown = stream.isTTY ? -Infinity : this.begun;
  }

  update(progress: Progress): void {
    const now = this.now();
    if (now - this.shown < (this.stream.isTTY ? terminalInterval : logInterval)) return;
    this.shown = now;
    const text = describeProgress(progress, (now - this.begun) / 1000);
    if (this.stream.isTTY) this.stream.write(`\r\x1b[K${text.slice(0, (this.stream.columns || 80) - 1)}`);
    else this.stream.write(`${text}\n`);
  }

  /** Removes the line of a terminal, so that what follows starts on a clean one. */
  finish(): void {
    if (this.stream.isTTY) this.stream.write("\r\x1b[K");
  }
}

/** @param seconds since the beginning */
export function describeProgress(progress: Progress, seconds: number): string {
  const { samplesDone, samples, fraction, attack, access } = progress;
  const parts = [
    `${Math.floor(fraction * 100)} %`,
    `${samplesDone} of ${samples} images`,
    access === "none" ? attack : `${attack}, ${access} box`,
  ];
  if (samplesDone > 0) parts.push(`${(samplesDone / seconds).toPrecision(3)} images/s`);
  // The first moments say little about the rest.
  if (fraction > 0 && seconds >= 1)
    parts.push(`ETA ${describeDuration((seconds * (1 - fraction)) / fraction)}`);
  return parts.join("  ");
}

/** "45 s", "12 min 05 s", "3 h 20 min" */
export function describeDuration(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (value: number): string => String(value).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}
