import { hirePresetNote } from "../attacks/hire-preset";
import type { Classifier } from "../classifiers/classifier";
import { NetworkClassifier } from "../classifiers/network-classifier";
import { TorchScriptClassifier } from "../classifiers/torchscript-classifier";
import type { Result } from "./results";

/** Something that a reader of the figures has to know. */
export interface EvaluationWarning {
  readonly code:
    | "HIRE_PRESET"
    | "SEED_NOT_GIVEN"
    | "TIMESTEPS_NOT_GIVEN"
    | "CHECKPOINT"
    | "TORCHSCRIPT"
    | "TIES"
    | "ZERO_GRADIENT"
    | "INVALID"
    | "NO_GRADIENT"
    | "IMAGES_NOT_MERGED";
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
    warnings.push({
      code: "SEED_NOT_GIVEN",
      message: "No seed was given: the random starts are those of seed 0.",
    });
  }
  for (const { attack, access, n, invalid, ties, zeroGradient } of results) {
    const where = access === "none" ? "Clean" : `${attack}, ${access} box`;
    if (invalid > 0) {
      warnings.push({
        code: "INVALID",
        message:
          `${where}: on ${invalid} of ${n} images logits, loss or a gradient were not finite. They count neither as correct nor as a ` +
          "success of the attack; look for NaN or overflow in the model's weights, thresholds and leaks.",
      });
    }
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

/** Of a model whose gradient was zero on all images that were probed. */
export function noGradientWarning({ name }: Classifier): EvaluationWarning {
  return {
    code: "NO_GRADIENT",
    message:
      `${name} gives no gradient: it was exactly zero on all images probed. Attacks that follow it do not attack, so that the ` +
      "accuracies under them say nothing about robustness.",
  };
}

/** What was odd about the file that a classifier came from, or had to be assumed. */
export function originWarnings(classifier: Classifier): EvaluationWarning[] {
  if (classifier instanceof TorchScriptClassifier) {
    return classifier.warnings.map((message) => ({
      code: "TORCHSCRIPT",
      message: `${classifier.name}: ${message}`,
    }));
  }
  if (!(classifier instanceof NetworkClassifier) || !classifier.origin) return [];
  const { name, timesteps, origin } = classifier;
  const warnings = origin.warnings.map((message) => ({
    code: "CHECKPOINT" as const,
    message: `${name}: ${message}`,
  }));
  if (origin.timestepsFrom !== "default") return warnings;
  const message = `${name}: nothing names its time steps; ${timesteps} were run, as the published networks have.`;
  return [...warnings, { code: "TIMESTEPS_NOT_GIVEN", message }];
}
