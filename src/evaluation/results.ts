import type { CountedLayer } from "../classifiers/classifier";
import type { Connection } from "../networks/connections";
import type { Access, LedgerRow } from "./ledger-row";
import { wilsonInterval } from "./wilson";

/** The figures of one attack under one access, over all samples. Fractions are of `n`. */
export interface Result {
  /** "clean", or the attack's id. */
  readonly attack: string;
  readonly access: Access;
  readonly top1: number;
  readonly top5: number;
  /** Samples whose label ranks first. */
  readonly correct: number;
  readonly n: number;
  /** Samples without a result (see {@link LedgerRow.valid}): among the `n`, and neither correct nor a success of the attack. */
  readonly invalid: number;
  /** Mean cross-entropy over the valid samples, in nats; null if there are none. */
  readonly loss: number | null;
  /** 95 % Wilson interval of `top1`. */
  readonly interval: readonly [low: number, high: number];
  /**
   * For attacks that differ in epsilon alone: samples that are correct at this epsilon and every smaller one. An image found at a
   * smaller epsilon counts at larger ones, within whose radius it lies as well. `correct` and `top1` stay as the attack left them.
   */
  readonly repaired?: {
    readonly correct: number;
    readonly top1: number;
    readonly interval: readonly [low: number, high: number];
  };
  /** Samples on which several classes share the largest logit, and how many of them count as correct. */
  readonly ties: { readonly samples: number; readonly correct: number };
  /** Samples with a gradient of exactly zero at one step or more, and at how many steps in all. */
  readonly zeroGradient: { readonly samples: number; readonly steps: number };
  /** Largest change of a pixel over all samples. */
  readonly linf: number;
  /** Euclidean norm of the change, in pixel units, over all samples. */
  readonly l2: { readonly mean: number; readonly max: number };
  /** Layer by layer in the order of the network; absent if the target does not count spikes. */
  readonly spikes?: readonly LayerActivity[];
  /** Connection by connection, those from spikes; absent if the target does not count their operations. */
  readonly synapses?: readonly SynapseActivity[];
}

/** Mean activity of a layer over the samples. */
export interface LayerActivity {
  readonly name: string;
  readonly kind: CountedLayer["kind"];
  readonly neurons: number;
  /** Spikes per image (of a pool: outputs that are not zero), at each time step. */
  readonly perTimestep: readonly number[];
  /** Spikes per neuron and time step, from 0 to 1. */
  readonly rate: number;
}

/** Mean synaptic operations of a connection per image, over all time steps. */
export interface SynapseActivity {
  readonly from: string;
  readonly to: string;
  /** An addition for each input that is not zero and each of its weights that leads to a neuron: exact at borders. */
  readonly operations: number;
  /** The same with each input as often as neurons have fired for it: more only behind a pool. */
  readonly operationsBySpikes: number;
}

/** One line of a run's plan: what results there will be, in which order. */
export interface ResultKey {
  readonly attack: string;
  readonly access: Access;
  /** Attacks that differ from this one in a smaller epsilon alone; undefined if none differs in epsilon alone. */
  readonly smaller?: readonly string[];
}

/**
 * Turns ledger rows into results. The rows of a sample follow each other, in any order between keys; within a key, sums run in the
 * order of the rows, so the same ledger gives the same bits.
 */
export class ResultSummary {
  private readonly totals: readonly Totals[];
  /** Of the sample whose rows are being read. */
  private sample = -1;
  private readonly correct = new Set<string>();

  /**
   * @param keys the results to make
   * @param layers the target's counted layers; empty if it counts none
   * @param connections the target's; empty if it does not count their operations
   */
  constructor(
    keys: readonly ResultKey[],
    private readonly layers: readonly CountedLayer[],
    private readonly connections: readonly Connection[] = [],
  ) {
    this.totals = keys.map((key) => new Totals(key));
  }

  /** Samples whose rows have been read. */
  get samples(): number {
    return Math.max(0, ...this.totals.map(({ n }) => n));
  }

  /** Counts a row, for the result of its attack and access. */
  add(row: LedgerRow): void {
    if (row.sample !== this.sample) this.finishSample();
    this.sample = row.sample;
    if (row.rank === 0) this.correct.add(`${row.access} ${row.attack}`);
    this.totals.find(({ key }) => key.attack === row.attack && key.access === row.access)?.add(row);
  }

  /** A result for each key that has rows. */
  results(): Result[] {
    this.finishSample();
    return this.totals.filter(({ n }) => n > 0).map((totals) => totals.result(this.layers, this.connections));
  }

  private finishSample(): void {
    for (const totals of this.totals) totals.repair(this.correct);
    this.correct.clear();
  }
}

/** {@link ResultSummary} over a whole ledger. */
export async function summarise(
  rows: Iterable<LedgerRow> | AsyncIterable<LedgerRow>,
  keys: readonly ResultKey[],
  layers: readonly CountedLayer[],
  connections: readonly Connection[] = [],
): Promise<Result[]> {
  const summary = new ResultSummary(keys, layers, connections);
  for await (const row of rows) summary.add(row);
  return summary.results();
}

class Totals {
  n = 0;
  private correct = 0;
  private correctTop5 = 0;
  private correctRepaired = 0;
  private invalid = 0;
  private loss = 0;
  private ties = 0;
  private tiesCorrect = 0;
  private zeroGradientSamples = 0;
  private zeroGradientSteps = 0;
  private linf = 0;
  private l2Sum = 0;
  private l2Max = 0;
  private spikes: number[][] | undefined;
  private reached: number[][] | undefined;

  constructor(readonly key: ResultKey) {}

  add(row: LedgerRow): void {
    const correct = row.rank === 0;
    this.n++;
    if (correct) this.correct++;
    if (row.rank < 5) this.correctTop5++;
    if (!row.valid) this.invalid++;
    this.loss += row.loss ?? 0;
    if (row.tie) this.ties++;
    if (row.tie && correct) this.tiesCorrect++;
    if (row.zeroGradient > 0) this.zeroGradientSamples++;
    this.zeroGradientSteps += row.zeroGradient;
    this.linf = Math.max(this.linf, row.linf);
    this.l2Sum += row.l2;
    this.l2Max = Math.max(this.l2Max, row.l2);
    if (row.spikes) this.spikes = added(this.spikes, row.spikes);
    if (row.reached) this.reached = added(this.reached, row.reached);
  }

  /** @param correct the attacks, each with its access, under which the sample is correct */
  repair(correct: ReadonlySet<string>): void {
    const { attack, access, smaller } = this.key;
    if (smaller && [attack, ...smaller].every((id) => correct.has(`${access} ${id}`))) this.correctRepaired++;
  }

  result(layers: readonly CountedLayer[], connections: readonly Connection[]): Result {
    const { key, n, correct, correctRepaired, spikes, reached } = this;
    const valid = n - this.invalid;
    return {
      attack: key.attack,
      access: key.access,
      top1: correct / n,
      top5: this.correctTop5 / n,
      correct,
      n,
      invalid: this.invalid,
      loss: valid === 0 ? null : this.loss / valid,
      interval: wilsonInterval(correct, n),
      ...(key.smaller && {
        repaired: {
          correct: correctRepaired,
          top1: correctRepaired / n,
          interval: wilsonInterval(correctRepaired, n),
        },
      }),
      ties: { samples: this.ties, correct: this.tiesCorrect },
      zeroGradient: { samples: this.zeroGradientSamples, steps: this.zeroGradientSteps },
      linf: this.linf,
      l2: { mean: this.l2Sum / n, max: this.l2Max },
      ...(spikes && { spikes: layers.map((layer, i) => activity(layer, spikes[i] ?? [], n)) }),
      ...(reached && { synapses: synapses(connections, reached, n) }),
    };
  }
}

/** The sums of lists of lists of the same lengths. */
function added(sums: number[][] | undefined, more: readonly (readonly number[])[]): number[][] {
  const result = sums ?? more.map((list) => list.map(() => 0));
  for (const [i, list] of result.entries()) {
    for (let j = 0; j < list.length; j++) list[j] = (list[j] ?? 0) + (more[i]?.[j] ?? 0);
  }
  return result;
}

function synapses(
  connections: readonly Connection[],
  reached: readonly (readonly number[])[],
  n: number,
): SynapseActivity[] {
  return connections.slice(1).map(({ from, to, outputShape: [outputs] }, i) => {
    const [byActive = 0, bySpikes = byActive] = reached[i] ?? [];
    return {
      from,
      to,
      operations: (byActive * outputs) / n,
      operationsBySpikes: (bySpikes * outputs) / n,
    };
  });
}

function activity({ name, kind, neurons }: CountedLayer, sums: readonly number[], n: number): LayerActivity {
  const total = sums.reduce((sum, count) => sum + count, 0);
  return {
    name,
    kind,
    neurons,
    perTimestep: sums.map((sum) => sum / n),
    rate: total / (n * neurons * sums.length),
  };
}
