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
  /** Mean cross-entropy, in nats. */
  readonly loss: number;
  /** 95 % Wilson interval of `top1`. */
  readonly interval: readonly [low: number, high: number];
  /** Samples on which several classes share the largest logit, and how many of them count as correct. */
  readonly ties: { readonly samples: number; readonly correct: number };
  /** Samples with a gradient of exactly zero at one step or more, and at how many steps in all. */
  readonly zeroGradient: { readonly samples: number; readonly steps: number };
  /** Largest change of a pixel over all samples. */
  readonly linf: number;
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
}

/**
 * Turns ledger rows into results. Rows may come in any order between keys; within a key, sums run in the order of the rows, so the
 * same ledger gives the same bits.
 */
export class ResultSummary {
  private readonly totals: readonly Totals[];

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

  /** Counts a row, for the result of its attack and access. */
  add(row: LedgerRow): void {
    this.totals.find(({ key }) => key.attack === row.attack && key.access === row.access)?.add(row);
  }

  /** A result for each key that has rows. */
  results(): Result[] {
    return this.totals.filter(({ n }) => n > 0).map((totals) => totals.result(this.layers, this.connections));
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
  private loss = 0;
  private ties = 0;
  private tiesCorrect = 0;
  private zeroGradientSamples = 0;
  private zeroGradientSteps = 0;
  private linf = 0;
  private spikes: number[][] | undefined;
  private reached: number[][] | undefined;

  constructor(readonly key: ResultKey) {}

  add(row: LedgerRow): void {
    const correct = row.rank === 0;
    this.n++;
    if (correct) this.correct++;
    if (row.rank < 5) this.correctTop5++;
    this.loss += row.loss;
    if (row.tie) this.ties++;
    if (row.tie && correct) this.tiesCorrect++;
    if (row.zeroGradient > 0) this.zeroGradientSamples++;
    this.zeroGradientSteps += row.zeroGradient;
    this.linf = Math.max(this.linf, row.linf);
    if (row.spikes) this.spikes = added(this.spikes, row.spikes);
    if (row.reached) this.reached = added(this.reached, row.reached);
  }

  result(layers: readonly CountedLayer[], connections: readonly Connection[]): Result {
    const { key, n, correct, spikes, reached } = this;
    return {
      ...key,
      top1: correct / n,
      top5: this.correctTop5 / n,
      correct,
      n,
      loss: this.loss / n,
      interval: wilsonInterval(correct, n),
      ties: { samples: this.ties, correct: this.tiesCorrect },
      zeroGradient: { samples: this.zeroGradientSamples, steps: this.zeroGradientSteps },
      linf: this.linf,
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
