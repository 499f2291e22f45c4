import { fgsm } from "../../src/attacks/fgsm";
import { pgd } from "../../src/attacks/pgd";
import type { Classifier, InputGradient } from "../../src/classifiers/classifier";
import { crossEntropy, type Loss } from "../../src/classifiers/loss";
import type { KernelOptions, SpikingClassifier } from "../../src/classifiers/spiking-classifier";
import { Tensor } from "../../src/tensor/tensor";
import { describeUnless } from "../support/skip";
import {
  elements,
  fixtures,
  full,
  load,
  missing,
  named,
  networkNames,
  readArray,
  report,
  type LayerFixture,
  type NetworkFixture,
  type PgdPiece,
  type Piece,
} from "./fixtures";
import { narrowBit, spikeBit, spikeHashes, SpikeDifferences } from "./spikes";

/** Jest looks a global up anew each time, which costs more than the whole comparison of a neuron. */
const { abs, sign } = Math;

/** Traces hold every membrane of a batch: smaller batches than the fixture's pieces. */
const tracedAtOnce = 8;

/** Of the threshold: what a weighted sum may differ from the reference's. */
const sumLimit = 1e-5;

/** Share of the images that must have all spikes in common with the reference: 40 of 64. */
const shareWithoutDifference = 40 / 64;

jest.setTimeout(20 * 60_000);

/** The engine as it is, and the plain one; with --full every kernel that can be forced. */
const paths: readonly KernelOptions[] = [
  {},
  { engine: "plain" },
  ...(full
    ? ([
        { instructionSet: "baseline" },
        { instructionSet: "avx2" },
        { forward: "levels", backward: "digits" },
        { forward: "events", backward: "winograd" },
        { backward: "products" },
      ] as const)
    : []),
];

describeUnless(missing, "beside the reference", () => {
  describe.each(paths)("kernels %j", (kernels) => {
    describe.each(networkNames)("%s", (name) => {
      compareNetwork(name, kernels);
    });
  });
});

function compareNetwork(name: string, kernels: KernelOptions): void {
  const title = `${name} ${JSON.stringify(kernels)}`;
  let fixture: NetworkFixture;
  let classifier: SpikingClassifier;
  let images: number;
  let withPgd: PgdPiece[];

  beforeAll(async () => {
    fixture = named(fixtures().networks, name);
    images = fixture.pieces.reduce((sum, piece) => sum + piece.count, 0);
    withPgd = fixture.pieces.filter((piece) => "iterates" in piece);
    classifier = await load(fixture, { kernels });
  });
  afterAll(() => {
    classifier.dispose();
  });

  test("(a) layers fed with the reference's inputs give its pre-activations and spikes", async () => {
    const thresholds = new Map(
      classifier.countedLayers
        .filter(({ kind }) => kind !== "average-pool")
        .map(({ name }, index) => [name, classifier.thresholds[index] as number]),
    );
    const worst = { current: 0, membrane: 0, exact: 0 };
    const count = { spikes: 0, atThreshold: 0, others: 0 };
    for (const piece of fixture.pieces) {
      expect(piece.layers.map(({ name }) => name)).toEqual(classifier.countedLayers.map(({ name }) => name));
      for (const [index, layer] of piece.layers.entries()) {
        using input = layerInput(piece, index, fixture.timesteps, classifier);
        using shortcut = shortcutInput(piece, index, fixture.timesteps, classifier);
        const trace = await classifier.traceLayer(layer.name, input, { shortcut });
        const reference = readArray(layer.spikes, "uint8");
        const spikes = await trace.output.data();
        trace.output.dispose();
        if (!layer.current || !layer.membrane || !trace.current || !trace.membrane) {
          expect(differing(spikes, reference, 4)).toBe(0);
          continue;
        }
        const threshold = thresholds.get(layer.name) as number;
        const sums = await trace.current.data();
        trace.current.dispose();
        const current = largestDifference(sums, readArray(layer.current, "float32")) / threshold;
        worst.current = Math.max(worst.current, current);
        if (!(current < sumLimit)) {
          const exact =
            largestDifference(sums, await exactSums(fixture, layer.name, input, shortcut)) / threshold;
          worst.exact = Math.max(worst.exact, exact);
        }
        const found = compareNeurons({
          spikes,
          membrane: await trace.membrane.data(),
          referenceSpikes: reference,
          referenceMembrane: readArray(layer.membrane, "float32"),
          timesteps: fixture.timesteps,
        });
        trace.membrane.dispose();
        worst.membrane = Math.max(worst.membrane, found.membrane / threshold);
        count.spikes += spikes.length;
        count.atThreshold += found.atThreshold;
        count.others += found.others;
      }
    }
    report(
      `${title} (a): ${count.spikes} neuron steps; largest difference / threshold: weighted sum ` +
        `${worst.current.toExponential(1)}, membrane ${worst.membrane.toExponential(1)}; ` +
        (worst.exact > 0
          ? `where it is above ${sumLimit}, from the exact sum ${worst.exact.toExponential(1)}; `
          : "") +
        `spikes that differ with |u| < 1e-5: ${count.atThreshold}, otherwise: ${count.others}`,
    );
    expect(count.others).toBe(0);
    // The reference rounds, too, and by more than this where its convolutions are Winograd's: there, exact sums decide.
    expect(worst.exact).toBeLessThan(sumLimit);
    // A membrane adds up the differences of its sums.
    expect(worst.membrane).toBeLessThan(Math.max(sumLimit, worst.current) * fixture.timesteps);
  });

  test("(b) end to end: spikes, logits, gradients and FGSM", async () => {
    const differences = new SpikeDifferences(images, classifier.countedLayers.length, fixture.timesteps);
    for (const piece of fixture.pieces) await compareSpikes(classifier, piece, differences);
    const without = new Set(differences.imagesWithout());
    report(
      `${title} (b): ${without.size} of ${images} images have every spike of the reference; ` +
        `${differences.total} spikes differ on the others`,
    );
    expect(differences.unexplained()).toEqual([]);
    expect(without.size).toBeGreaterThanOrEqual(shareWithoutDifference * images);

    const signs = new SignCount();
    let worstLogit = 0;
    let fgsmDifferences = 0;
    for (const piece of fixture.pieces) {
      using batch = Tensor.from(readArray(piece.images, "float32"), piece.images.shape);
      const labels = readArray(piece.labels, "int32");
      const watched = new WatchedGradient(classifier);
      const attacked = await fgsm(watched, batch, labels, { epsilon: fixture.attack.epsilon });
      const adversarial = await attacked.images.data();
      attacked.images.dispose();
      const result = watched.seen!;
      const reference = {
        logits: readArray(piece.logits, "float32"),
        losses: readArray(piece.losses, "float32"),
        gradient: readArray(piece.gradient, "float32"),
        fgsm: readArray(piece.fgsm, "float32"),
      };
      for (let image = 0; image < piece.count; image++) {
        if (!without.has(piece.first + image)) continue;
        const row = <T extends { subarray(from: number, to: number): T; length: number }>(all: T): T =>
          all.subarray((image * all.length) / piece.count, ((image + 1) * all.length) / piece.count);
        const logits = row(reference.logits);
        const largest = logits.reduce((most, logit) => Math.max(most, Math.abs(logit)), 0);
        worstLogit = Math.max(worstLogit, largestDifference(row(result.logits), logits) / largest);
        expect(result.losses[image]).toBeCloseTo(reference.losses[image] as number, 4);
        const gradient = row(result.gradient);
        const equal = signs.add(gradient, row(reference.gradient));
        const ours = row(adversarial as Float32Array);
        const theirs = row(reference.fgsm);
        for (let i = 0; i < equal.length; i++) if (equal[i] === 1 && ours[i] !== theirs[i]) fgsmDifferences++;
      }
    }
    report(
      `${title} (b): on those, logits differ by at most ${worstLogit.toExponential(1)} of the largest; ` +
        `gradient signs: ${signs.describe()}`,
    );
    expect(worstLogit).toBeLessThan(1e-5);
    expect(signs.share()).toBeGreaterThanOrEqual(0.999);
    expect(fgsmDifferences).toBe(0);
  });

  test("(b) PGD takes the reference's steps, given its gradients", async () => {
    for (const piece of withPgd) {
      using batch = Tensor.from(readArray(piece.images, "float32"), piece.images.shape);
      const replay = new GradientReplay(classifier, piece);
      const result = await pgd(replay, batch, readArray(piece.labels, "int32"), {
        ...fixture.attack,
        sampleIndices: Int32Array.from({ length: piece.count }, (_, image) => piece.first + image),
      });
      replay.visited.push(await result.images.data());
      result.images.dispose();
      const iterates = readArray(piece.iterates, "float32");
      const size = elements(piece.images.shape);
      expect(replay.visited).toHaveLength(fixture.attack.steps + 1);
      for (const [step, visited] of replay.visited.entries()) {
        expect(differing(visited, iterates.subarray(step * size, (step + 1) * size), 1)).toBe(0);
      }
    }
  });

  test("(b) PGD: the gradients at the reference's iterates have its signs", async () => {
    for (let step = 0; step < fixture.attack.steps; step++) {
      const signs = new SignCount();
      const attacked = withPgd.reduce((sum, piece) => sum + piece.count, 0);
      let without = 0;
      for (const piece of withPgd) {
        const size = elements(piece.images.shape);
        const labels = readArray(piece.labels, "int32");
        const iterate = readArray(piece.iterates, "float32").subarray(step * size, (step + 1) * size);
        const reference = readArray(piece.gradients, "float32").subarray(step * size, (step + 1) * size);
        const perImage = size / piece.count;
        for (let begin = 0; begin < piece.count; begin += tracedAtOnce) {
          const end = Math.min(begin + tracedAtOnce, piece.count);
          using batch = Tensor.from(iterate.slice(begin * perImage, end * perImage), [
            end - begin,
            ...piece.images.shape.slice(1),
          ]);
          const traces = await classifier.trace(batch);
          const hashes = await spikeHashes(traces);
          for (const trace of traces) {
            trace.membrane?.dispose();
            trace.output.dispose();
          }
          const { gradient } = await values(
            await classifier.inputGradient(batch, crossEntropy(labels.subarray(begin, end))),
          );
          for (let image = begin; image < end; image++) {
            if (hashes[image - begin]?.join() !== piece.spikeHashes[step]?.[image]?.join()) continue;
            without++;
            signs.add(
              gradient.subarray((image - begin) * perImage, (image - begin + 1) * perImage),
              reference.subarray(image * perImage, (image + 1) * perImage),
            );
          }
        }
      }
      report(
        `${title} (b) PGD step ${step + 1}: ${without} of ${attacked} images have every spike of the reference; ` +
          `gradient signs there: ${signs.describe()}`,
      );
      expect(without).toBeGreaterThanOrEqual(shareWithoutDifference * attacked);
      expect(signs.share()).toBeGreaterThanOrEqual(0.999);
    }
  });
}

/** The weighted sums of a layer in float64, which for their purpose are exact. */
async function exactSums(
  fixture: NetworkFixture,
  layer: string,
  input: Tensor,
  shortcut: Tensor | undefined,
): Promise<ArrayLike<number>> {
  using exact = await load(fixture, { dtype: "float64" });
  using wide = input.to("float64");
  using wideShortcut = shortcut?.to("float64");
  const { current, membrane, output } = await exact.traceLayer(layer, wide, { shortcut: wideShortcut });
  const sums = await current!.data();
  for (const used of [current, membrane, output]) used?.dispose();
  return sums;
}

/** What the reference's layer received, at every time step. */
function layerInput(piece: Piece, index: number, timesteps: number, classifier: SpikingClassifier): Tensor {
  if (index === 0) {
    const image = readArray(piece.normalised, "float32");
    const repeated = new Float32Array(timesteps * image.length);
    for (let step = 0; step < timesteps; step++) repeated.set(image, step * image.length);
    return Tensor.from(repeated, [timesteps, ...piece.normalised.shape]);
  }
  return layerOutput(piece, index - 1, timesteps, classifier);
}

/** What the reference's layer received by a shortcut, if one leads to it. */
function shortcutInput(
  piece: Piece,
  index: number,
  timesteps: number,
  classifier: SpikingClassifier,
): Tensor | undefined {
  const layer = classifier.network.layers[index];
  if (layer?.kind !== "conv" || !layer.shortcut) return undefined;
  const { from } = layer.shortcut;
  const source = classifier.network.layers.findIndex(({ name }) => name === from);
  return layerOutput(piece, source, timesteps, classifier);
}

function layerOutput(piece: Piece, index: number, timesteps: number, classifier: SpikingClassifier): Tensor {
  const layer = piece.layers[index] as LayerFixture;
  const spikes = readArray(layer.spikes, "uint8");
  const signal = new Float32Array(spikes.length);
  const pool = isPool(layer);
  for (let i = 0; i < spikes.length; i++) {
    signal[i] = pool ? (spikes[i] as number) / 4 : (spikes[i] as number) & spikeBit;
  }
  const { outputShape } = classifier.network.layers[index] ?? {};
  return Tensor.from(signal, [timesteps, piece.count, ...(outputShape ?? [])]);
}

function isPool(layer: LayerFixture): boolean {
  return layer.membrane === undefined;
}

/**
 * Compares the neurons of a layer over all time steps. After a spike that differs at the threshold a neuron's membrane is a whole
 * threshold away, so it is compared up to there.
 */
function compareNeurons(layer: {
  spikes: ArrayLike<number>;
  membrane: ArrayLike<number>;
  referenceSpikes: Uint8Array;
  referenceMembrane: Float32Array;
  timesteps: number;
}): { membrane: number; atThreshold: number; others: number } {
  const { spikes, membrane, referenceSpikes, referenceMembrane } = layer;
  const neurons = referenceSpikes.length / layer.timesteps;
  const diverged = new Uint8Array(neurons);
  let largest = 0;
  let atThreshold = 0;
  let others = 0;
  for (let step = 0, i = 0; step < layer.timesteps; step++) {
    for (let neuron = 0; neuron < neurons; neuron++, i++) {
      if (diverged[neuron]) continue;
      const difference = abs((membrane[i] as number) - (referenceMembrane[i] as number));
      if (!(difference <= largest)) largest = difference;
      const reference = referenceSpikes[i] as number;
      if (spikes[i] === (reference & spikeBit)) continue;
      diverged[neuron] = 1;
      if (reference & narrowBit) atThreshold++;
      else others++;
    }
  }
  return { membrane: largest, atThreshold, others };
}

async function compareSpikes(
  classifier: SpikingClassifier,
  piece: Piece,
  differences: SpikeDifferences,
): Promise<void> {
  const images = readArray(piece.images, "float32");
  const perImage = images.length / piece.count;
  const references = piece.layers.map((layer) => readArray(layer.spikes, "uint8"));
  const timesteps = classifier.timesteps;
  for (let begin = 0; begin < piece.count; begin += tracedAtOnce) {
    const count = Math.min(tracedAtOnce, piece.count - begin);
    using batch = Tensor.from(images.slice(begin * perImage, (begin + count) * perImage), [
      count,
      ...piece.images.shape.slice(1),
    ]);
    const traces = await classifier.trace(batch);
    for (const [index, trace] of traces.entries()) {
      trace.membrane?.dispose();
      const spikes = await trace.output.data();
      trace.output.dispose();
      const { neurons } = trace.layer;
      // The reference's [T, n, ...] restricted to these images.
      const reference = new Uint8Array(timesteps * count * neurons);
      for (let step = 0; step < timesteps; step++) {
        const from = (step * piece.count + begin) * neurons;
        reference.set(
          (references[index] as Uint8Array).subarray(from, from + count * neurons),
          step * count * neurons,
        );
      }
      const pool = isPool(piece.layers[index] as LayerFixture);
      differences.add(index, reference, spikes, { first: piece.first + begin, count, pool });
    }
  }
}

/** A classifier that remembers the numbers which it gave an attack. */
class WatchedGradient implements Classifier {
  readonly name: string;
  readonly device = "cpu";
  readonly classes: number;
  readonly inputShape: readonly [number, number, number];
  seen?: Awaited<ReturnType<typeof values>>;

  constructor(private readonly classifier: Classifier) {
    this.name = classifier.name;
    this.classes = classifier.classes;
    this.inputShape = classifier.inputShape;
  }

  logits(images: Tensor): Promise<Tensor> {
    return this.classifier.logits(images);
  }

  async inputGradient(images: Tensor, loss: Loss): Promise<InputGradient> {
    const { gradient, losses, logits } = await this.classifier.inputGradient(images, loss);
    this.seen = await values({ gradient, losses, logits });
    return {
      gradient: Tensor.from(this.seen.gradient, images.shape),
      losses: Tensor.from(this.seen.losses, losses.shape),
      logits: Tensor.from(this.seen.logits, logits.shape),
    };
  }

  [Symbol.dispose](): void {
    // The one who made the classifier disposes it.
  }
}

/** Gives an attack the reference's gradients, and keeps the images at which it asked for them. */
class GradientReplay implements Classifier {
  readonly name = "the reference's gradients";
  readonly device = "cpu";
  readonly classes: number;
  readonly inputShape: readonly [number, number, number];
  readonly visited: ArrayLike<number>[] = [];
  readonly #gradients: Float32Array;

  constructor(
    classifier: Classifier,
    private readonly piece: PgdPiece,
  ) {
    this.classes = classifier.classes;
    this.inputShape = classifier.inputShape;
    this.#gradients = readArray(piece.gradients, "float32");
  }

  logits(): Promise<Tensor> {
    return Promise.reject(new Error("PGD asks for gradients alone"));
  }

  async inputGradient(images: Tensor): Promise<InputGradient> {
    const size = elements(this.piece.images.shape);
    const step = this.visited.length;
    this.visited.push(await images.data());
    return {
      gradient: Tensor.from(this.#gradients.slice(step * size, (step + 1) * size), this.piece.images.shape),
      losses: Tensor.from(new Float32Array(this.piece.count), [this.piece.count]),
      logits: Tensor.from(new Float32Array(this.piece.count * this.classes), [
        this.piece.count,
        this.classes,
      ]),
    };
  }

  [Symbol.dispose](): void {
    // Holds nothing native.
  }
}

/** Counts equal signs among the pixels where either gradient is not zero. */
class SignCount {
  #equal = 0;
  #compared = 0;

  /** @returns 1 for each pixel whose signs are equal, zeros included */
  add(gradient: Float32Array, reference: Float32Array): Uint8Array {
    const equal = new Uint8Array(gradient.length);
    for (let i = 0; i < gradient.length; i++) {
      const ours = sign(gradient[i] as number);
      const theirs = sign(reference[i] as number);
      equal[i] = ours === theirs ? 1 : 0;
      if (ours === 0 && theirs === 0) continue;
      this.#compared++;
      this.#equal += equal[i] as number;
    }
    return equal;
  }

  share(): number {
    return this.#equal / this.#compared;
  }

  describe(): string {
    return `${this.#compared - this.#equal} of ${this.#compared} differ`;
  }
}

async function values({
  gradient,
  losses,
  logits,
}: InputGradient): Promise<{ gradient: Float32Array; losses: Float32Array; logits: Float32Array }> {
  const [first, second, third] = await Promise.all([gradient.data(), losses.data(), logits.data()]);
  for (const tensor of [gradient, losses, logits]) tensor.dispose();
  return {
    gradient: first as Float32Array,
    losses: second as Float32Array,
    logits: third as Float32Array,
  };
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    // Not `>`: NaN has to come out as a difference.
    const difference = abs((a[i] as number) - (b[i] as number));
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}

/** How many elements of `scale * a` are not exactly those of `b`. */
function differing(a: ArrayLike<number>, b: ArrayLike<number>, scale: number): number {
  expect(a.length).toBe(b.length);
  let count = 0;
  for (let i = 0; i < a.length; i++) if (scale * (a[i] as number) !== b[i]) count++;
  return count;
}
