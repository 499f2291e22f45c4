import type { LedgerRow } from "../evaluation/ledger-row";

/** What one attack made of each sample of a run, one byte a sample. */
export class Outcomes {
  private static readonly absent = 0;
  private static readonly invalid = 1;
  private static readonly wrong = 2;
  private static readonly right = 3;

  private readonly bySample: Uint8Array;
  /** [class]: samples of the class, and those that are correct. */
  readonly samplesOfClass: number[];
  readonly correctOfClass: number[];
  /** [step]: samples that the attacked model first misclassified after so many gradient steps. */
  readonly firstSuccesses: number[] = [];
  rows = 0;
  /** Rows with a result. */
  valid = 0;
  constructor(samples: number, classes: number) {
    this.bySample = new Uint8Array(samples);
    this.samplesOfClass = new Array<number>(classes).fill(0);
    this.correctOfClass = new Array<number>(classes).fill(0);
  }

  add({ sample, label, rank, valid, firstSuccess }: LedgerRow): void {
    const correct = valid && rank === 0;
    this.bySample[sample] = valid ? (correct ? Outcomes.right : Outcomes.wrong) : Outcomes.invalid;
    this.samplesOfClass[label] = (this.samplesOfClass[label] ?? 0) + 1;
    if (correct) this.correctOfClass[label] = (this.correctOfClass[label] ?? 0) + 1;
    this.rows++;
    if (valid) this.valid++;
    if (firstSuccess !== null)
      this.firstSuccesses[firstSuccess] = (this.firstSuccesses[firstSuccess] ?? 0) + 1;
  }

  has(sample: number): boolean {
    return this.bySample[sample] !== Outcomes.absent;
  }

  /** Where both have the same samples, how they differ on those that have a result in both; else null. */
  pairedWith(other: Outcomes): { n: number; onlyFirst: number; onlySecond: number } | null {
    const length = Math.max(this.bySample.length, other.bySample.length);
    const counts = { n: 0, onlyFirst: 0, onlySecond: 0 };
    for (let sample = 0; sample < length; sample++) {
      const first = this.bySample[sample] ?? Outcomes.absent;
      const second = other.bySample[sample] ?? Outcomes.absent;
      if ((first === Outcomes.absent) !== (second === Outcomes.absent)) return null;
      if (first < Outcomes.wrong || second < Outcomes.wrong) continue;
      counts.n++;
      if (first > second) counts.onlyFirst++;
      if (second > first) counts.onlySecond++;
    }
    return counts;
  }
}
