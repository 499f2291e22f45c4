/** A place at which two JSON values differ. */
export interface Difference {
  /** "target.timesteps", "attacks[1].parameters.steps" */
  readonly path: string;
  /** JSON; "absent" where there is nothing. */
  readonly was: string;
  readonly is: string;
}

/** Where two JSON values differ, as deep down as they have the same structure; the order of an object's keys does not count. */
export function differences(was: unknown, is: unknown, path = ""): Difference[] {
  if (isObject(was) && isObject(is) && Array.isArray(was) === Array.isArray(is)) {
    const names = [...new Set([...Object.keys(was), ...Object.keys(is)])];
    return names.flatMap((name) => {
      const step = Array.isArray(was) ? `[${name}]` : path === "" ? name : `.${name}`;
      return differences(was[name], is[name], `${path}${step}`);
    });
  }
  const [before, now] = [describe(was), describe(is)];
  return before === now ? [] : [{ path, was: before, is: now }];
}

/** A line for each difference: "target.timesteps: was 8, is 4". */
export function describeDifferences(found: readonly Difference[]): string {
  const longest = 12;
  const lines = found.slice(0, longest).map(({ path, was, is }) => `  ${path}: was ${was}, is ${is}`);
  if (found.length > longest) lines.push(`  and ${found.length - longest} more`);
  return lines.join("\n");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function describe(value: unknown): string {
  if (value === undefined) return "absent";
  const text = JSON.stringify(value);
  return text.length > 100 ? `${text.slice(0, 97)}...` : text;
}
