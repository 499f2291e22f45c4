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
    "The figures are those of the images that are finished, which are the first ones of the data set or of the run's shard.",
  SHARD: "The figures are those of one part of the images; hire-snn merge joins the parts to a run.",
};

/** All warnings of all runs by their kind; the preset's stands at the head of the report. */
export function warningsSection(runs: readonly LabelledRun[]): Section | undefined {
  const byCode = new Map<string, { run: string; message: string }[]>();
  for (const run of runs) {
    const own = [...(run.complete ? [] : [incomplete(run)]), ...shard(run), ...run.warnings];
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
    message: `The run is not finished: ${done} of ${samplesOf(config)} images are in its ledger.`,
  };
}

/** Configurations from before shards have no range. */
function samplesOf({ identity, execution }: LabelledRun["config"]): number {
  const range = execution.range as typeof execution.range | undefined;
  return range ? range.end - range.begin : identity.dataset.samples;
}

function shard({ config: { identity, execution } }: LabelledRun): { code: string; message: string }[] {
  if (!execution.shard) return [];
  const { index, count } = execution.shard;
  const { begin, end } = execution.range;
  const message = `The run is shard ${index} of ${count}: images ${begin} to ${end - 1} of ${identity.dataset.samples}.`;
  return [{ code: "SHARD", message }];
}
