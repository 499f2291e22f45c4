/** Between two updates: often enough for the eye on a terminal, rarely enough for a log file. */
const terminalInterval = 100;
const logInterval = 10_000;
/** Elsewhere than on a terminal, what is done is also said in these steps, however fast they come. */
const stepsOfFraction = 10;

/** Says how far something is: on a terminal a line, or a few, that are rewritten; elsewhere lines now and then. */
export class StatusLine {
  private readonly begun: number;
  private shown: number;
  /** Tenths that were done when this began, or when it was last said. */
  private step: number | undefined;
  /** Lines that stand on the terminal, with the cursor behind the last one. */
  private standing = 0;

  constructor(
    private readonly stream: NodeJS.WriteStream,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.begun = now();
    this.shown = stream.isTTY ? -Infinity : this.begun;
  }

  /**
   * @param describe is given the seconds since the beginning, if it is time for lines
   * @param fraction of the whole that is done, from 0 to 1, if that is known
   */
  update(describe: (seconds: number) => string | readonly string[], fraction = 0): void {
    const now = this.now();
    const interval = this.stream.isTTY ? terminalInterval : logInterval;
    const step = Math.floor(fraction * stepsOfFraction);
    this.step ??= step;
    const isStep = !this.stream.isTTY && step > this.step;
    if (now - this.shown < interval && !isStep) return;
    this.shown = now;
    this.step = step;
    const lines = [describe((now - this.begun) / 1000)].flat();
    if (this.stream.isTTY) this.rewrite(lines);
    else this.stream.write(lines.map((line) => `${line}\n`).join(""));
  }

  /** Removes the lines of a terminal, so that what follows starts on a clean one. */
  finish(): void {
    if (this.stream.isTTY) this.stream.write(this.erasure());
    this.standing = 0;
  }

  private rewrite(lines: readonly string[]): void {
    // A line that wraps, or scrolls out at the top, cannot be rewritten. What sums the others up comes last.
    const width = (this.stream.columns || 80) - 1;
    const fitting = lines.slice(-Math.max(1, (this.stream.rows || 24) - 1));
    this.stream.write(this.erasure() + fitting.map((line) => line.slice(0, width)).join("\n"));
    this.standing = fitting.length;
  }

  private erasure(): string {
    return this.standing > 1 ? `\x1b[${this.standing - 1}A\r\x1b[J` : "\r\x1b[K";
  }
}
