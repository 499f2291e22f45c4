const LONGEST_VALUE = 60;

/** Text from a file must not steer the terminal: control characters are shown, not sent. */
export function printable(text: string, longest = LONGEST_VALUE): string {
  const shown = text.replace(
    /(?!\n)[\p{Cc}\p{Bidi_Control}]/gu,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
  const line = longest === Infinity ? shown : shown.replaceAll("\n", "\\n");
  return line.length > longest ? `${line.slice(0, longest - 3)}...` : line;
}
