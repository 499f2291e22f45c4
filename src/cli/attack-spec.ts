import type { Attack } from "../attacks/attack";
import { fgsmAttack } from "../attacks/fgsm";
import { pgdAttack } from "../attacks/pgd";
import { HireSnnError } from "../errors";
import { parseBoolean, parseInteger, parseNumber } from "./numbers";
import { suggest } from "./suggest";

/** One key of an attack, and how its value is read. */
type Reader<T> = (text: string, name: string) => T;

interface AttackKind {
  readonly keys: Readonly<Record<string, Reader<number | boolean>>>;
  /** Keys that have a default. */
  readonly optional: readonly string[];
  /** The original's, for a message: there are no silent defaults. */
  readonly example: string;
  make(values: Readonly<Record<string, number | boolean | undefined>>): Attack;
}

const steps: Reader<number> = (text, name) => parseInteger(text, name, 1);

const kinds: Readonly<Record<string, AttackKind>> = {
  fgsm: {
    keys: { epsilon: parseNumber },
    optional: [],
    example: "fgsm:epsilon=8/255",
    make: (values) => fgsmAttack({ epsilon: values["epsilon"] as number }),
  },
  pgd: {
    keys: { epsilon: parseNumber, steps, "step-size": parseNumber, "random-start": parseBoolean },
    optional: ["random-start"],
    example: "pgd:steps=7,step-size=0.01,epsilon=8/255",
    make: (values) =>
      pgdAttack({
        epsilon: values["epsilon"] as number,
        steps: values["steps"] as number,
        stepSize: values["step-size"] as number,
        randomStart: values["random-start"] as boolean | undefined,
      }),
  },
};

/**
 * An attack as the command line names it: `name:key=value,...`, for instance `pgd:steps=7,step-size=0.01,epsilon=8/255`.
 *
 * @param epsilon for an attack that does not name its own
 * @throws HireSnnError INVALID_ARGUMENT for an unknown attack or key, with what was probably meant, and for a missing or wrong value
 */
export function parseAttack(text: string, epsilon?: number): Attack {
  const colon = text.indexOf(":");
  const name = colon < 0 ? text : text.slice(0, colon);
  const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
  if (!kind) throw unknown(name, Object.keys(kinds), "the attack");

  const values: Record<string, number | boolean | undefined> = epsilon === undefined ? {} : { epsilon };
  const named = new Set<string>();
  for (const pair of colon < 0 ? [] : text.slice(colon + 1).split(",")) {
    const [key = "", value, ...more] = pair.split("=").map((part) => part.trim());
    const read = Object.hasOwn(kind.keys, key) ? kind.keys[key] : undefined;
    if (!read) throw unknown(key, Object.keys(kind.keys), `a key of the attack ${name}`);
    if (value === undefined || more.length > 0) {
      throw new HireSnnError(
        "INVALID_ARGUMENT",
        `Expected ${key}=VALUE in the attack ${text} but received "${pair}"`,
      );
    }
    if (named.has(key)) {
      throw new HireSnnError(
        "INVALID_ARGUMENT",
        `Expected ${key} once in the attack ${text} but received it twice`,
      );
    }
    named.add(key);
    values[key] = read(value, `${key} of the attack ${name}`);
  }
  const missing = Object.keys(kind.keys).filter(
    (key) => values[key] === undefined && !kind.optional.includes(key),
  );
  if (missing.length > 0) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected ${missing.join(" and ")} for the attack ${name}, as in ${kind.example}, but received "${text}"` +
        (missing.includes("epsilon") ? "; --epsilon gives it to all attacks" : ""),
    );
  }
  return kind.make(values);
}

function unknown(word: string, candidates: readonly string[], what: string): HireSnnError {
  const meant = suggest(word, candidates);
  return new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected ${candidates.length === 1 ? candidates[0] : `one of ${candidates.join(", ")}`} for ${what} but received "${word}"` +
      (meant === undefined ? "" : `; did you mean ${meant}?`),
  );
}
