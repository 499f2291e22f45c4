import { hirePresetNote } from "../attacks/hire-preset";
import type { Result } from "./results";

/** Something that a reader of the figures has to know. */
export interface EvaluationWarning {
  readonly code: "HIRE_PRESET" | "SEED_NOT_GIVEN" | "TIES" | "ZERO_GRADIENT";
  readonly message: string;
}

/** What the figures must not be read without. */
export function warningsOf(
  results: readonly Result[],
  { preset, seedGiven }: { preset: boolean; seedGiven: boolean },
): EvaluationWarning[] {
  const warnings: EvaluationWarning[] = [];
  if (preset) {
    warnings.push({ code: "HIRE_PRESET", message: `The hire preset is ${hirePresetNote}.` });
  }
  if (!seedGiven) {
    warnings.push({ code: "SEED_NOT_GIVEN", message: "No seed was given: the random starts are those of seed 0." });
  }
  for (const { attack, access, n, ties, zeroGradient } of results) {
    const where = access === "none" ? "Clean" : `${attack}, ${access} box`;
    if (ties.samples > 0) {
      warnings.push({
        code: "TIES",
        message:
          `${where}: several classes share the largest logit on ${ties.samples} of ${n} images, as when no spike reaches the ` +
          `output; the first class counts, which makes ${ties.correct} of them correct.`,
      });
    }
    if (zeroGradient.samples > 0) {
      warnings.push({
        code: "ZERO_GRADIENT",
        message:
          `${where}: the gradient was exactly zero on ${zeroGradient.samples} of ${n} images (at ${zeroGradient.steps} steps in ` +
          "all). Such a step does not attack: the accuracy is not a sign of robustness there.",
      });
    }
  }
  return warnings;
}
