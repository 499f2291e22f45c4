import type { Attack } from "../attacks/attack";
import type { Access } from "./ledger-row";

/** How far an evaluation is. */
export interface Progress {
  /** Samples that are finished under every attack, and in the ledger. */
  readonly samplesDone: number;
  readonly samples: number;
  /** Share of the computing that is done, from 0 to 1. */
  readonly fraction: number;
  /** What is being computed: "clean" or an attack's id. */
  readonly attack: string;
  readonly access: Access;
}

/** What a gradient costs in forward passes: one forward pass, and about twice that for the way back. */
const workOfGradient = 3;

/** Counts an evaluation's work, in forward passes of one sample. */
export class ProgressCount {
  private readonly total: number;
  private done = 0;
  private samplesDone = 0;
  private attack = "clean";
  private access: Access = "none";

  /** @param accesses 1 for white box, 2 for white and black box */
  constructor(
    attacks: readonly Attack[],
    accesses: number,
    private readonly samples: number,
    private readonly report: ((progress: Progress) => void) | undefined,
  ) {
    const perAccess = attacks.reduce((sum, { steps }) => sum + steps * workOfGradient + 1, 0);
    this.total = samples * (1 + accesses * perAccess);
  }

  begin(attack: string, access: Access): void {
    this.attack = attack;
    this.access = access;
  }

  /** Notes one gradient of each of `samples`. */
  finishGradient(samples: number): void {
    this.finishWork(samples * workOfGradient);
  }

  /** Notes `work` forward passes of one sample. */
  finishWork(work: number): void {
    this.done += work;
    this.tell();
  }

  finishSamples(samples: number): void {
    this.samplesDone += samples;
    this.tell();
  }

  private tell(): void {
    this.report?.({
      samplesDone: this.samplesDone,
      samples: this.samples,
      // An attack from elsewhere may take more steps than it announced.
      fraction: Math.min(this.done / this.total, 1),
      attack: this.attack,
      access: this.access,
    });
  }
}
