import { planAttacks, type Job } from "./batch-evaluation";
import type { Access } from "./ledger-row";

/** How far a run is, of several that are computed together. */
export interface RunProgress {
  /** What the run is called: its target's name, or that of its folder in a study. */
  readonly name: string;
  /** Samples that are finished under every attack, and in the ledger. */
  readonly samplesDone: number;
  readonly samples: number;
  /** Of these, samples that an earlier process had finished. */
  readonly samplesBefore: number;
  /** Finished samples that are right clean and under every attack. */
  readonly robust: number;
}

/** How far an evaluation is. */
export interface Progress extends RunProgress {
  /** Share of the computing that is done, from 0 to 1. */
  readonly fraction: number;
  /** What it was when this process began: above 0 in a run that was gone on with. */
  readonly fractionBefore: number;
  /** What is being computed: "clean" or an attack's id. */
  readonly attack: string;
  readonly access: Access;
  /** All runs that are computed together; the figures above are the first one's. */
  readonly runs: readonly RunProgress[];
  /** Runs of the whole evaluation or study, and how many of them are finished. */
  readonly runsTotal: number;
  readonly runsDone: number;
}

/** What a gradient costs in forward passes: one forward pass, and about twice that for the way back. */
const workOfGradient = 3;

/** A part of the samples, and the runs that compute it. */
export interface Stretch {
  readonly samples: number;
  readonly jobs: readonly Job[];
}

/** Forward passes of one sample that several runs take together. */
export function workOf(jobs: readonly Job[]): number {
  let work = new Set(jobs.map(({ target }) => target)).size;
  for (const planned of planAttacks(jobs).values()) {
    for (const { attack, uses } of planned) {
      work += attack.steps * workOfGradient + new Set(uses.map(({ job }) => job.target)).size;
    }
  }
  return work;
}

/** Counts the work of runs that are computed together, in forward passes of one sample. */
export class ProgressCount {
  private readonly total: number;
  private readonly before: number;
  private done: number;
  private attack = "clean";
  private access: Access = "none";

  /**
   * @param ahead what is to be computed
   * @param before what earlier processes have computed
   * @param runs says how far each run is
   */
  constructor(
    ahead: readonly Stretch[],
    before: readonly Stretch[],
    private readonly runs: () => readonly RunProgress[],
    private readonly report: ((progress: Progress) => void) | undefined,
  ) {
    const work = (stretches: readonly Stretch[]): number =>
      stretches.reduce((sum, { samples, jobs }) => sum + samples * workOf(jobs), 0);
    this.before = work(before);
    this.done = this.before;
    this.total = this.before + work(ahead);
  }

  begin(attack: string, access: Access): void {
    this.attack = attack;
    this.access = access;
  }

  /** Notes one gradient of each of `samples`. */
  finishGradient(samples: number): void {
    this.finishWork(samples * workOfGradient);
  }

  /** Notes the clean passes of all targets. */
  finishClean(jobs: readonly Job[], samples: number): void {
    this.finishWork(samples * new Set(jobs.map(({ target }) => target)).size);
  }

  /** Notes `work` forward passes of one sample. */
  finishWork(work: number): void {
    this.done += work;
    this.tell();
  }

  /** Says that a batch is in the ledgers. */
  tell(): void {
    if (!this.report) return;
    const runs = this.runs();
    const [first] = runs;
    if (!first) return;
    this.report({
      ...first,
      // An attack from elsewhere may take more steps than it announced.
      fraction: this.total === 0 ? 1 : Math.min(this.done / this.total, 1),
      fractionBefore: this.total === 0 ? 1 : this.before / this.total,
      attack: this.attack,
      access: this.access,
      runs,
      runsTotal: runs.length,
      runsDone: runs.filter(({ samplesDone, samples }) => samplesDone === samples).length,
    });
  }
}
