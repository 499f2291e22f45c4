import type { LabelledRun } from "../labels";
import type { Section } from "../report-model";

/** What each warning of an evaluation means for its reader. */
const meanings: Readonly<Record<string, string>> = {
  HIRE_PRESET:
    "Few steps, one start, one surrogate gradient: accuracies under it compare with the paper's, and stronger attacks may find lower ones.",
  SEED_NOT_GIVEN:
    "Another seed gives other random starts and slightly other figures; name one to make the choice deliberate.",
  TIMESTEPS_NOT_GIVEN: "With other time steps than it was trained for, a network has other accuracies.",
  CHECKPOINT: "The file was read, but not all of it is what such a network has.",
  TORCHSCRIPT: "The program was run, but something about it has to be known.",
  TIES: "The network gave no decision there. Counting the first class is a convention: subtract the ties to be strict.",
  ZERO_GRADIENT:
    "Where the gradient is zero the attack stands still, so that accuracy is not robustness: try another surrogate or a black-box attack.",
  NO_GRADIENT:
    "Gradient-based attacks are blind on this model: its accuracies under them say nothing about robustness.",
  INVALID: "Those images have no result; they count neither as correct nor as a success of the attack.",
  INCOMPLETE:
    "The figures are those of the images that are finished, which are the first ones of the data set.",
};

/** All warnings of all runs by their kind; the preset's stands at the head of the report. */
export function warningsSection(runs: readonly LabelledRun[]): Section | undefined {
  const byCode = new Map<string, { run: string; message: string }[]>();
  for (const run of runs) {
    const own = [...(run.complete ? [] : [incomplete(run)]), ...run.warnings];
    for (const { code, message } of own) {
      if (code === "HIRE_PRESET") continue;
      byCode.set(code, [...(byCode.get(code) ?? []), { run: run.label, message }]);
    }
  }
  if (byCode.size === 0) return undefined;
  return {
    id: "warnings",
    title: "What to know before reading on",
    short: "Warnings",
    warnings: [...byCode].map(([code, messages]) => ({ code, meaning: meaningOf(code), messages })),
  };
}

/** What a warning means for who reads the figures; "" for a code that this version does not know. */
export function meaningOf(code: string): string {
  return Object.hasOwn(meanings, code) ? (meanings[code] as string) : "";
}

function incomplete({ results, config }: LabelledRun): { code: string; message: string } {
  const done = Math.max(...results.map(({ n }) => n));
  return {
    code: "INCOMPLETE",
    message: `The run is not finished: ${done} of ${config.identity.dataset.samples} images are in its ledger.`,
  };
}
