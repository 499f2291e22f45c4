/**
 * Whether text for people may use terminal colours on stdout: on a terminal, unless NO_COLOR is set (no-color.org). The answer is
 * always a boolean: a colour library asked with undefined decides by itself, and some see a terminal in CI.
 */
export function colorsOnStdout(): boolean {
  // The type of isTTY says boolean, but a stream that is no terminal has none.
  return Boolean(process.stdout.isTTY) && !process.env["NO_COLOR"];
}
