/** Between two updates: often enough for the eye on a terminal, rarely enough for a log file. */
const terminalInterval = 100;
const logInterval = 10_000;

/** Says how far something is: one line that is rewritten on a terminal, a line now and then elsewhere. */
export class StatusLine {
  private readonly begun: number;
  private shown: number;

  constructor(
    private readonly stream: NodeJS.WriteStream,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.begun = now();
    this.shown = stream.isTTY ? -Infinity : this.begun;
  }

  /** @param describe is given the seconds since the beginning, if it is time for a line */
  update(describe: (seconds: number) => string): void {
    const now = this.now();
    if (now - this.shown < (this.stream.isTTY ? terminalInterval : logInterval)) return;
    this.shown = now;
    const text = describe((now - this.begun) / 1000);
    if (this.stream.isTTY) this.stream.write(`\r\x1b[K${text.slice(0, (this.stream.columns || 80) - 1)}`);
    else this.stream.write(`${text}\n`);
  }

  /** Removes the line of a terminal, so that what follows starts on a clean one. */
  finish(): void {
    if (this.stream.isTTY) this.stream.write("\r\x1b[K");
  }
}
