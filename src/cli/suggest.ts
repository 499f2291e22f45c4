/**
 * The candidate that a misspelt word most probably stands for: one that it begins or is close to.
 *
 * @returns undefined if none is near
 */
export function suggest(word: string, candidates: readonly string[]): string | undefined {
  const plain = (text: string): string => text.toLowerCase().replaceAll(/[-_ ]/g, "");
  const wanted = plain(word);
  const ranked = candidates
    .map((candidate) => {
      const other = plain(candidate);
      const begins = wanted.length >= 2 && other.startsWith(wanted);
      return { candidate, distance: begins ? 0 : editDistance(wanted, other) };
    })
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best && best.distance <= Math.max(1, Math.floor(wanted.length / 3)) ? best.candidate : undefined;
}

/** Insertions, deletions and replacements of one character, and exchanges of two neighbours (optimal string alignment). */
function editDistance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, j) => j);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (last[j - 1] as number) + (from[i - 1] === to[j - 1] ? 0 : 1);
      const exchanged =
        i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]
          ? (beforeLast[j - 2] as number) + 1
          : Infinity;
      row.push(Math.min(replaced, exchanged, (last[j] as number) + 1, (row[j - 1] as number) + 1));
    }
    beforeLast = last;
    last = row;
  }
  return last[to.length] as number;
}
