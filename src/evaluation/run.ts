import { hirePresetNote } from "../attacks/hire-preset";
import type { Attack } from "../attacks/attack";
import { countsSpikes, type Classifier, type CountedLayer } from "../classifiers/classifier";
import type { Dataset } from "../datasets/dataset";
import { HireSnnError } from "../errors";
import type { Connection } from "../networks/connections";
import { AdversarialArchives, adversarialFiles, hasArchives, removeLeftovers } from "./adversarial-images";
import { AdversarialStore } from "./adversarial-store";
import type { AttackedImages, Job } from "./batch-evaluation";
import type { Evaluation } from "./evaluate";
import { ImagePictures } from "./image-pictures";
import type { LedgerRow } from "./ledger-row";
import type { RunProgress } from "./progress";
import { ResultSummary, summarise, type ResultKey } from "./results";
import { energiesOf } from "./results-energy";
import { ResourceStack } from "./resource-stack";
import { resultKeys, type RunConfig } from "./run-config";
import { RunFolder } from "./run-folder";
import type { SampleRange } from "./shard";
import { noGradientWarning, originWarnings, warningsOf, type EvaluationWarning } from "./warnings";

/** What a run is made of. */
export interface RunPlan {
  readonly name: string;
  readonly target: Classifier;
  readonly source: Classifier | undefined;
  readonly attacks: readonly Attack[];
  readonly preset: "hire" | null;
  readonly seedGiven: boolean;
  readonly dataset: Dataset;
  readonly config: RunConfig;
  readonly out: string | undefined;
  readonly resume: boolean;
}

/** A run while it is computed: where its rows go, and how far it is. */
export class Run implements Job {
  readonly target: Classifier;
  readonly source: Classifier | undefined;
  readonly attacks: Job["attacks"];
  readonly keys: readonly ResultKey[];
  readonly range: SampleRange;
  /** The first sample that is to be computed. */
  next: number;
  /** What is kept of a run that was finished before. */
  finished: Evaluation | undefined;
  private readonly layers: readonly CountedLayer[];
  private readonly connections: readonly Connection[];
  private readonly summary: ResultSummary;
  private folder: RunFolder | undefined;
  private store: AdversarialStore | undefined;
  private pictures: ImagePictures | undefined;
  private samplesBefore = 0;
  private robust = 0;

  constructor(readonly plan: RunPlan) {
    const { target, source, attacks, config } = plan;
    this.target = target;
    this.source = source;
    this.attacks = attacks.map((attack, i) => ({
      id: config.identity.attacks[i]?.id ?? attack.name,
      attack,
    }));
    this.keys = resultKeys(config.identity);
    this.range = config.execution.range;
    this.next = this.range.begin;
    this.layers = countsSpikes(target) ? target.countedLayers : [];
    this.connections = countsSpikes(target) ? (target.connections ?? []) : [];
    this.summary = new ResultSummary(this.keys, this.layers, this.connections);
  }

  /** Says before anything is computed whether the folder can be used: an existing run is opened, a new one not yet made. */
  async openExisting(): Promise<void> {
    const { out, resume, config } = this.plan;
    if (out === undefined) return;
    if (!resume) {
      await RunFolder.requireUnused(out);
      return;
    }
    if (await RunFolder.isUnused(out)) return;
    this.folder = await RunFolder.resume(out, config);
    this.next = this.folder.nextSample;
    this.samplesBefore = this.next - this.range.begin;
    for await (const rows of samplesOf(this.folder.rows())) this.countRobust(rows);
    if (this.isComplete) this.finished = (await this.folder.readResults()) as Evaluation | undefined;
  }

  /** Makes what is not there yet: the folder, and what it keeps of the images. */
  async open(): Promise<void> {
    const { out, config, dataset } = this.plan;
    if (out === undefined) return;
    const { adversarial, png } = config.execution.saves ?? { adversarial: false, png: [] };
    const isResumed = this.folder !== undefined;
    this.folder ??= await RunFolder.create(out, config);
    const { folder } = this;
    const isMade = this.isComplete && (await hasArchives(out, this.keys));
    if (isMade) await removeLeftovers(out, this.keys);
    if (png.length > 0) this.pictures = new ImagePictures(out, dataset.imageShape, png);
    if (adversarial && !isMade) {
      // A finished run computes nothing again, so that images which it has not kept cannot be had any more.
      if (this.finished) throw finishedWithout(out);
      const at = { range: this.range, samplesBefore: this.samplesBefore };
      this.store = await AdversarialStore.open(out, this.keys, dataset, at);
    }
    await this.guard("write pictures", () => this.catchUpPictures(out));
    if (this.finished) await folder.addPictures(png);
    else if (isResumed) await folder.goOn(config);
  }

  /** Makes pictures of samples that were finished before they were asked for, of the adversarial images that were kept. */
  private async catchUpPictures(out: string): Promise<void> {
    const { pictures, store, range, keys } = this;
    const missing = (await pictures?.missing({ begin: range.begin, end: this.next }, keys)) ?? [];
    if (!pictures || missing.length === 0) return;
    if (!store && !(this.isComplete && (await hasArchives(out, keys)))) throw withoutPictures(out, missing);
    const opened = new ResourceStack();
    await opened.during(async () => {
      const archives = new AdversarialArchives(adversarialFiles(out, keys), range.begin);
      opened.defer(() => archives.close());
      const kept = store ?? archives;
      for (const { attack, access } of keys) {
        const epsilon = this.attacks.find(({ id }) => id === attack)?.attack.threatModel.epsilon ?? 0;
        for (const sample of missing) {
          const { images } = await this.plan.dataset.read(sample, 1);
          if (access === "none") {
            await pictures.putClean(images, sample);
          } else {
            const adversarial = await kept.read(attack, access, sample);
            await pictures.putAttacked(images, adversarial, sample, { id: attack, access, epsilon });
          }
        }
      }
    });
  }

  get isComplete(): boolean {
    return this.next >= this.range.end;
  }

  get progress(): RunProgress {
    const { begin, end } = this.range;
    return {
      name: this.plan.name,
      samplesDone: this.next - begin,
      samples: end - begin,
      samplesBefore: this.samplesBefore,
      robust: this.robust,
    };
  }

  get keep(): Job["keep"] {
    return this.store || this.pictures ? (images) => this.keepImages(images) : undefined;
  }

  /** Puts the rows of the next samples into the ledger, for good. */
  async append(rows: readonly LedgerRow[], samples: number): Promise<void> {
    if (this.folder) {
      // Images first: the ledger says that a batch is finished.
      await this.guard("write adversarial images", async () => this.store?.sync());
      await this.folder.append(rows, samples);
    } else {
      for (const row of rows) this.summary.add(row);
    }
    for (let i = 0; i < rows.length; i += this.keys.length)
      this.countRobust(rows.slice(i, i + this.keys.length));
    this.next += samples;
  }

  /** The record of the run, from its ledger. */
  async finish(withoutGradient: ReadonlySet<Classifier>): Promise<Evaluation> {
    if (this.finished) return this.finished;
    const { target, source, config, preset, seedGiven } = this.plan;
    const { folder, store } = this;
    if (store) await this.guard("write adversarial images", async () => store.finish(await this.labels()));
    const results = folder
      ? await summarise(folder.rows(), this.keys, this.layers, this.connections)
      : this.summary.results();
    const energy = energiesOf(config.identity.target, results);
    const models = source ? [target, source] : [target];
    const warnings: EvaluationWarning[] = [
      ...warningsOf(results, { preset: preset !== null, seedGiven }),
      ...models.filter((model) => withoutGradient.has(model)).map(noGradientWarning),
      ...models.flatMap(originWarnings),
    ];
    const note = preset === null ? null : hirePresetNote;
    const evaluation: Evaluation = { ...config, preset, note, results, ...(energy && { energy }), warnings };
    await folder?.writeResults(evaluation);
    this.finished = evaluation;
    return evaluation;
  }

  async close(): Promise<void> {
    const opened = new ResourceStack();
    opened.defer(() => this.folder?.close());
    opened.defer(() => this.store?.close());
    await opened.release();
  }

  private async keepImages({ id, access, attack, batch, images }: AttackedImages): Promise<void> {
    await this.guard("write adversarial images", async () => {
      await this.store?.put(id, access, images, batch.start);
      if (!this.pictures?.wants(batch.start, batch.labels.length)) return;
      const { epsilon } = attack.threatModel;
      await this.pictures.putClean(batch.images, batch.start);
      await this.pictures.putAttacked(batch.images, images, batch.start, { id, access, epsilon });
    });
  }

  private async guard(doing: string, body: () => Promise<void>): Promise<void> {
    try {
      await body();
    } catch (error) {
      throw this.folder ? this.folder.writeError(error, doing) : error;
    }
  }

  private async labels(): Promise<Int32Array> {
    const labels = new Int32Array(this.range.end - this.range.begin);
    for await (const { sample, label } of this.folder?.rows() ?? [])
      labels[sample - this.range.begin] = label;
    return labels;
  }

  private countRobust(rows: readonly LedgerRow[]): void {
    if (rows.every(({ rank }) => rank === 0)) this.robust++;
  }
}

function finishedWithout(out: string): HireSnnError {
  return new HireSnnError(
    "RUN_MISMATCH",
    `Expected a run with adversarial images in ${out} but found it finished without; run it in another folder to have them`,
  );
}

function withoutPictures(out: string, samples: readonly number[]): HireSnnError {
  return new HireSnnError(
    "RUN_MISMATCH",
    `Expected pictures of the samples ${samples.join(", ")} in ${out} (--save-png), or adversarial images to make them of, but found ` +
      "these samples finished without either. Go on without them, or run again into another folder",
  );
}

/** The rows of each sample together. */
async function* samplesOf(rows: AsyncIterable<LedgerRow>): AsyncGenerator<LedgerRow[]> {
  let some: LedgerRow[] = [];
  for await (const row of rows) {
    if (some.length > 0 && some[0]?.sample !== row.sample) {
      yield some;
      some = [];
    }
    some.push(row);
  }
  if (some.length > 0) yield some;
}
