import { surrogateShapes, type SurrogateOptions } from "../networks/surrogate";
import { HireSnnError } from "../errors";
import { parseNumber } from "./numbers";
import { suggest } from "./suggest";

export const defaultSurrogate = "piecewise-linear:a=0.3,scale=threshold";

const scales = ["threshold", "absolute"] as const;

/**
 * A surrogate derivative as the command line names it: `shape[:a=NUMBER][,scale=threshold|absolute]`.
 *
 * @throws HireSnnError INVALID_ARGUMENT for an unknown shape, key or scale, with what was probably meant
 */
export function parseSurrogate(text: string): SurrogateOptions {
  const [name = "", settings] = text.split(/:(.*)/s);
  const shape = known(name, surrogateShapes, "the surrogate gradient's shape");
  let a: number | undefined;
  let scale: SurrogateOptions["scale"];
  for (const pair of settings === undefined ? [] : settings.split(",")) {
    const [key = "", value = ""] = pair.split("=").map((part) => part.trim());
    if (known(key, ["a", "scale"], "a key of the surrogate gradient") === "a") {
      a = parseNumber(value, "a of the surrogate gradient");
    } else {
      scale = known(value, scales, "the surrogate gradient's scale");
    }
  }
  return { shape, a, scale };
}

function known<T extends string>(word: string, candidates: readonly T[], what: string): T {
  const found = candidates.find((candidate) => candidate === word);
  if (found !== undefined) return found;
  const meant = suggest(word, candidates);
  throw new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected one of ${candidates.join(", ")} for ${what} but received "${word}"` +
      (meant === undefined ? "" : `; did you mean ${meant}?`),
  );
}
