/** Widths of characters in ems, of the sans-serif fonts that systems have: Helvetica's, rounded up a little. */
const narrow = 0.3;
const wide = 0.9;
const capital = 0.7;
const usual = 0.56;

/** How wide a text will be, in pixels: without a browser there is no font to ask. */
export function textWidth(text: string, fontSize: number): number {
  let ems = 0;
  for (const character of text) {
    if (/[ijlftI.,:;'|!()[\]\s]/.test(character)) ems += narrow;
    else if (/[mwMW%@…]/.test(character)) ems += wide;
    else if (/[A-Z]/.test(character)) ems += capital;
    // Scripts with characters as wide as they are high.
    else ems += (character.codePointAt(0) as number) > 0x2e7f ? 1 : usual;
  }
  return ems * fontSize;
}

interface Measured {
  readonly fontSize?: number;
}

/**
 * Has vega place titles and legends by {@link textWidth}: its own estimate without a canvas is 0.8 em a character, which tears them
 * apart.
 *
 * @returns what puts its estimate back
 */
export function measuringText({ textMetrics }: { textMetrics: object }): () => void {
  const metrics = textMetrics as { width: unknown };
  const before = metrics.width;
  metrics.width = (item: Measured, text: string | number | null | undefined): number =>
    textWidth(String(text ?? ""), item.fontSize ?? 11);
  return () => {
    metrics.width = before;
  };
}
