/**
 * Whether text for people may use terminal colours on stdout: on a terminal, unless NO_COLOR is set (no-color.org). The answer is
 * always a boolean: a colour library asked with undefined decides by itself, and some see a terminal in CI.
 */
export function colorsOnStdout(): boolean {
  // Node's types say that every stream has isTTY; one that is no terminal has none.
  const { isTTY } = process.stdout as { isTTY?: boolean };
  return isTTY === true && !process.env["NO_COLOR"];
}
