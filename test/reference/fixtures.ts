import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadClassifier, type LoadOptions } from "../../src/classifiers/load-classifier";
import { SpikingClassifier } from "../../src/classifiers/spiking-classifier";

/** What scripts/reference/make_fixtures.py wrote: see there. */
export interface Fixtures {
  readonly networks: readonly NetworkFixture[];
  readonly double: readonly DoubleFixture[];
  readonly blackBox: readonly BlackBoxFixture[];
  readonly training: readonly TrainingFixture[];
  readonly ann: readonly AnnFixture[];
  readonly rate: readonly RateFixture[];
}

interface Described {
  readonly name: string;
  readonly network: string;
  readonly dataset: "cifar10" | "cifar100";
  readonly checkpoint: string;
  readonly timesteps: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

export interface NetworkFixture extends Described {
  readonly attack: {
    readonly epsilon: number;
    readonly steps: number;
    readonly stepSize: number;
    readonly seed: number;
  };
  readonly pieces: readonly (Piece | PgdPiece)[];
  /** 1 for each image that is classified correctly; without keys where no accuracies were asked for. */
  readonly correct: { readonly [key in "none" | "fgsm" | "pgd"]?: readonly number[] };
}

export interface DoubleFixture extends Described {
  readonly pieces: readonly (PieceAtImages & {
    readonly layers: readonly { readonly name: string; readonly spikes: StoredArray }[];
  })[];
}

export interface BlackBoxFixture extends Described {
  /** Name of the fixture whose network classifies. */
  readonly target: string;
  readonly correct: { readonly fgsm: readonly number[]; readonly pgd: readonly number[] };
}

/** One mini-batch of HIRE training: see scripts/reference/training.py. */
export interface TrainingFixture extends Described {
  readonly coding: "direct" | "rate";
  /** Of rate coding: the mini-batch's, and the thresholds found on its images, by name. */
  readonly epoch?: number;
  readonly thresholds?: Readonly<Record<string, number>>;
  /** Index of the first image in the data set. */
  readonly first: number;
  readonly images: StoredArray;
  readonly labels: StoredArray;
  /** "losses", "logits", "imageGradient"; by a tensor's key "gradient.KEY" and, after the update, "parameter.KEY", thinned out. */
  readonly periods: readonly Readonly<Record<string, StoredArray>>[];
}

/** An ANN twin at some images, in float32 and, under the same names with "64", in float64. */
export interface AnnFixture extends Omit<Described, "timesteps"> {
  readonly count: number;
  readonly images: StoredArray;
  readonly labels: StoredArray;
  readonly fgsm: StoredArray;
  readonly logits: StoredArray;
  readonly losses: StoredArray;
  readonly gradient: StoredArray;
  readonly logits64: StoredArray;
  readonly losses64: StoredArray;
  readonly gradient64: StoredArray;
  /** Layers in order, and [image][layer] of their outputs that are not zero. */
  readonly layers: readonly string[];
  readonly active: StoredArray;
}

/** A network under rate coding, in float64. */
export interface RateFixture extends Described {
  readonly seed: number;
  readonly pass: number;
  readonly first: number;
  readonly count: number;
  readonly images: StoredArray;
  readonly labels: StoredArray;
  /** [T, n, C, H, W]: one more than the code. */
  readonly code: StoredArray;
  readonly logits: StoredArray;
  readonly losses: StoredArray;
  readonly gradient: StoredArray;
  /** Largest magnitude of the gradient that autograd finds through the code. */
  readonly naiveGradient: number;
}

interface PieceAtImages {
  /** Index of the first image in the data set. */
  readonly first: number;
  readonly count: number;
  readonly images: StoredArray;
  readonly labels: StoredArray;
  readonly logits: StoredArray;
  readonly losses: StoredArray;
  readonly gradient: StoredArray;
}

export interface Piece extends PieceAtImages {
  readonly normalised: StoredArray;
  readonly fgsm: StoredArray;
  readonly layers: readonly LayerFixture[];
}

/** A piece on which PGD was recorded, too. */
export interface PgdPiece extends Piece {
  /** [steps + 1, n, C, H, W]: the start, then the image after each step. */
  readonly iterates: StoredArray;
  /** [steps, n, C, H, W]: the gradient at each iterate but the last. */
  readonly gradients: StoredArray;
  /** [step][image][layer]: SHA-256 of the spikes at each iterate but the last. */
  readonly spikeHashes: readonly (readonly (readonly string[])[])[];
}

export interface LayerFixture {
  readonly name: string;
  /** [T, n, ...]: bit 0 the spike, bit 1 whether |u| < 1e-5; of a pool, 4 times its output. */
  readonly spikes: StoredArray;
  readonly current?: StoredArray;
  readonly membrane?: StoredArray;
}

export interface StoredArray {
  readonly file: string;
  readonly dtype: keyof ArrayOf;
  readonly shape: readonly number[];
}

interface ArrayOf {
  float32: Float32Array;
  float64: Float64Array;
  int32: Int32Array;
  uint8: Uint8Array;
}

const root = process.env["HIRE_SNN_REFERENCE_FIXTURES"];

/** Why there is nothing to compare with, or null if there is. */
export const missing =
  process.env["HIRE_SNN_REFERENCE_MISSING"] ??
  (root ? null : "`npm run test:reference` computes what these tests compare with");

/** Whether slow comparisons run on more images, and on larger networks. */
export const full = process.env["HIRE_SNN_REFERENCE_FULL"] === "1";

/** What scripts/reference/make_fixtures.py makes, by name; the tests are known before there is anything to read. */
export const networkNames = ["vgg5", "vgg5-leaky", "resnet12", "vgg11"] as const;

/** The path of a file of the fixtures. */
export function fixturePath(file: string): string {
  return join(String(root), file);
}

let cached: Fixtures | undefined;

export function fixtures(): Fixtures {
  cached ??= JSON.parse(readFileSync(join(String(root), "index.json"), "utf8")) as Fixtures;
  return cached;
}

export function named<T extends { readonly name: string }>(list: readonly T[], name: string): T {
  const found = list.find((entry) => entry.name === name);
  if (!found)
    throw new Error(`Expected a fixture ${name} but found ${list.map((entry) => entry.name).join(", ")}`);
  return found;
}

export function readArray<D extends keyof ArrayOf>(array: StoredArray, dtype: D): ArrayOf[D] {
  if (array.dtype !== dtype) throw new Error(`Expected ${dtype} in ${array.file} but found ${array.dtype}`);
  const bytes = readFileSync(join(String(root), array.file));
  const constructors = {
    float32: Float32Array,
    float64: Float64Array,
    int32: Int32Array,
    uint8: Uint8Array,
  } as const;
  const values = new constructors[dtype](bytes.buffer, bytes.byteOffset, elements(array.shape));
  return values as ArrayOf[D];
}

export async function load(
  fixture: Described,
  options: Pick<LoadOptions, "dtype" | "kernels" | "coding" | "codingSeed"> = {},
): Promise<SpikingClassifier> {
  const { network, timesteps, mean, std } = fixture;
  const classifier = await loadClassifier(join(String(root), fixture.checkpoint), {
    ...{ network, timesteps, mean, std },
    ...options,
  });
  if (!(classifier instanceof SpikingClassifier))
    throw new Error(`${fixture.name} has no neurons that spike`);
  return classifier;
}

export function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** For the log of the run: what was measured, beside what is asserted. */
export function report(text: string): void {
  process.stdout.write(`  ${text}\n`);
}
