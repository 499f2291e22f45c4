import Table from "cli-table3";
import type pc from "picocolors";

/** Colours of the terminal, or none. */
export type Colors = ReturnType<typeof pc.createColors>;

/** Columns without rules, which also paste well; those from the `text`-th on are numbers and stand right. */
export function plainTable(
  head: readonly string[],
  rows: readonly string[][],
  text: number,
  colors: Colors,
): string {
  const none = ["top", "bottom", "left", "right", "mid"].flatMap((side) =>
    ["", "-mid", "-left", "-right"].map((part) => [`${side}${part}`, ""] as const),
  );
  const drawn = new Table({
    head: head.map((title) => colors.bold(title)),
    colAligns: head.map((_, i) => (i < text ? "left" : "right")),
    chars: { ...Object.fromEntries(none), middle: "  " },
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
  });
  drawn.push(...rows);
  return drawn
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}
