import type { Attack } from "../attacks/attack";
import { countsSpikes, isIdentified, type Classifier, type CountedLayer } from "../classifiers/classifier";
import { NetworkClassifier } from "../classifiers/network-classifier";
import { TorchScriptClassifier } from "../classifiers/torchscript-classifier";
import type { Dataset } from "../datasets/dataset";
import { HireSnnError } from "../errors";
import type { Connection } from "../networks/connections";
import type { Seed } from "../tensor/philox";
import { packageVersion } from "../version";
import { codeHash } from "./code-hash";
import type { ResultKey } from "./results";
import type { SampleRange, Shard } from "./shard";

/** Version of the JSON that an evaluation writes: its configuration, ledger rows and results. */
export const schemaVersion = 2;

/**
 * What decides a run's figures, and what does not. A run may be continued or merged under another execution, never under another
 * identity.
 */
export interface RunConfig {
  readonly schemaVersion: typeof schemaVersion;
  readonly identity: RunIdentity;
  readonly execution: RunExecution;
}

/** How a run was executed: what may differ between two runs with the same figures. */
export interface RunExecution {
  readonly target: ModelExecution;
  readonly source: ModelExecution | null;
  /** The data set's files. */
  readonly data: readonly string[];
  /** Names of its classes; absent in runs that were made without. */
  readonly classes?: readonly string[];
  readonly batchSize: number;
  readonly out: string | null;
  /** Samples from `begin` up to and not including `end`: all, or those of the shard. */
  readonly range: SampleRange;
  /** Which part of the run this is; absent if it is the whole. */
  readonly shard?: Shard;
  /** What else the folder keeps of the images. */
  readonly saves?: SavedImages;
  /** The folders of the shards that it was merged from. */
  readonly merged?: readonly string[];
  /** When the run was gone on with after an interruption, and how many samples it had. */
  readonly resumptions?: readonly { readonly startedAt: string; readonly samplesBefore: number }[];
  /** ISO 8601. */
  readonly startedAt: string;
  readonly node: string;
  readonly platform: string;
  /** What the caller added: threads, ... */
  readonly [detail: string]: unknown;
}

/** Images that a run keeps beside its figures. */
export interface SavedImages {
  /** All adversarial images, as npz in float32. */
  readonly adversarial: boolean;
  /** Samples of which clean, perturbation and adversarial images are kept as PNG, rounded to 8 bits. */
  readonly png: readonly number[];
}

/** What a report calls a model, and where it came from. */
export interface ModelExecution {
  readonly name: string;
  readonly path: string | null;
  /** How its network and time steps were found out, if it came from a checkpoint. */
  readonly networkFrom?: string;
  readonly timestepsFrom?: string;
  /** What said the shape of its images and its normalisation, if it is a TorchScript program. */
  readonly inputShapeFrom?: string;
  readonly normalisationFrom?: string;
}

/** What decides the figures of a run. */
export interface RunIdentity {
  /** Version of this package. */
  readonly version: string;
  /**
   * SHA-256 over the package's own code that computes figures: the compiled files of the folders from `checkpoint` to `evaluation`
   * (not the command line or reports) and the addon's sources. The addon that was built from them, on whichever machine, is named
   * by libtorch, instruction set and kernels in the models' identities.
   */
  readonly code: string;
  readonly target: ModelIdentity;
  /** The model whose gradients the black-box attacks follow. */
  readonly source: ModelIdentity | null;
  readonly dataset: {
    readonly name: string;
    readonly split: string;
    readonly sha256: string;
    /** The first this many samples, in file order. */
    readonly samples: number;
  };
  readonly attacks: readonly AttackIdentity[];
  /** A number, or decimal digits beyond 2^53 - 1. */
  readonly seed: number | string;
}

/** What decides the numbers of a model. */
export interface ModelIdentity {
  readonly classes: number;
  readonly inputShape: readonly number[];
  /** Absent if the classifier does not count spikes. */
  readonly timesteps?: number;
  readonly layers?: readonly CountedLayer[];
  /** Absent if it does not count synaptic operations either. */
  readonly connections?: readonly Connection[];
  /** What an identified classifier says of itself: hashes, surrogate, libtorch, ... */
  readonly [detail: string]: unknown;
}

/** An attack of a run, with all that is needed to repeat it. */
export interface AttackIdentity {
  /** What ledger rows and results call it: its name, with its parameters where the name alone is not unique. */
  readonly id: string;
  readonly name: string;
  readonly threatModel: Attack["threatModel"];
  readonly parameters: Attack["parameters"];
}

export interface RunParts {
  readonly target: Classifier;
  readonly source: Classifier | undefined;
  readonly dataset: Dataset;
  readonly attacks: readonly Attack[];
  readonly samples: number;
  readonly seed: Seed;
}

export function runIdentity({ target, source, dataset, attacks, samples, seed }: RunParts): RunIdentity {
  const ids = attackIds(attacks);
  return {
    version: packageVersion(),
    code: codeHash(),
    target: modelIdentity(target),
    source: source ? modelIdentity(source) : null,
    dataset: { name: dataset.name, split: dataset.split, sha256: dataset.sha256, samples },
    attacks: attacks.map(({ name, threatModel, parameters }, i) => ({
      id: ids[i] as string,
      name,
      threatModel,
      parameters,
    })),
    seed: Number.isSafeInteger(Number(seed)) ? Number(seed) : String(seed),
  };
}

/** The results of a run in their order: clean, then white box, then, with a source, black box. */
export function resultKeys({ attacks, source }: RunIdentity): ResultKey[] {
  const accesses = source ? (["white", "black"] as const) : (["white"] as const);
  const keys = attacks.map((attack) => {
    const others = attacks.filter(
      (other) => other !== attack && withoutEpsilon(other) === withoutEpsilon(attack),
    );
    const { epsilon } = attack.threatModel;
    const smaller = others.filter(({ threatModel }) => threatModel.epsilon < epsilon).map(({ id }) => id);
    return { attack: attack.id, ...(others.length > 0 && { smaller }) };
  });
  return [
    { attack: "clean", access: "none" },
    ...accesses.flatMap((access) => keys.map((key) => ({ ...key, access }))),
  ];
}

/** What two attacks share that differ in epsilon alone. */
function withoutEpsilon({ name, threatModel, parameters }: AttackIdentity): string {
  const others = Object.entries(parameters)
    .filter(([key]) => key !== "epsilon")
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([name, threatModel.norm, others]);
}

function modelIdentity(classifier: Classifier): ModelIdentity {
  return {
    classes: classifier.classes,
    inputShape: classifier.inputShape,
    ...(countsSpikes(classifier) && {
      timesteps: classifier.timesteps,
      layers: classifier.countedLayers,
      ...(classifier.connections && { connections: classifier.connections }),
    }),
    ...(isIdentified(classifier) && classifier.identity),
  };
}

export function modelExecution(classifier: Classifier): ModelExecution {
  const { name } = classifier;
  if (classifier instanceof TorchScriptClassifier) {
    const { path, inputShapeFrom, normalisationFrom } = classifier.origin;
    return { name, path, inputShapeFrom, normalisationFrom };
  }
  const origin = classifier instanceof NetworkClassifier ? classifier.origin : undefined;
  if (!origin) return { name, path: null };
  const { path, networkFrom, timestepsFrom } = origin;
  return { name, path, networkFrom, ...(timestepsFrom && { timestepsFrom }) };
}

/**
 * An id for each attack that no other has.
 *
 * @throws HireSnnError INVALID_ARGUMENT if two attacks are the same, or one is called "clean"
 */
function attackIds(attacks: readonly Attack[]): string[] {
  const ids = attacks.map((attack) =>
    attacks.some((other) => other !== attack && other.name === attack.name)
      ? describeAttack(attack)
      : attack.name,
  );
  for (const [i, id] of ids.entries()) {
    if (id === "clean") {
      throw new HireSnnError(
        "INVALID_ARGUMENT",
        'Expected another name than "clean" for an attack: it stands for no attack',
      );
    }
    if (ids.indexOf(id) !== i) {
      throw new HireSnnError("INVALID_ARGUMENT", `Expected each attack once but received ${id} twice`);
    }
  }
  return ids;
}

/** "pgd:epsilon=0.031,steps=7,step-size=0.01,random-start=true": the attack as the command line takes it. */
export function describeAttack({ name, parameters }: Pick<Attack, "name" | "parameters">): string {
  const pairs = Object.entries(parameters).map(([key, value]) => `${kebabCase(key)}=${value}`);
  return pairs.length === 0 ? name : `${name}:${pairs.join(",")}`;
}

function kebabCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
