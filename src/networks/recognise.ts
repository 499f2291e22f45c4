import type { StateDict } from "../checkpoint/checkpoint";
import { HireSnnError } from "../errors";
import { buildNetwork } from "./build-network";
import { catalogue, otherInputs, usualInputs, type CatalogueEntry } from "./catalogue";
import { annTwin, isAnn, type Network, type Shape } from "./network";
import { describeMatch, isExact, matchTensors, type TensorMatch } from "./tensor-match";

/** A network that was considered for a checkpoint. */
export interface Candidate {
  readonly network: Network;
  readonly aliases: readonly string[];
  readonly match: TensorMatch;
}

export interface Recognition {
  /** The one network whose tensors these are, or undefined if there is none or more than one. */
  readonly found: Candidate | undefined;
  /** Without a result: the networks that fit equally, or else the nearest, nearest first. */
  readonly candidates: readonly Candidate[];
}

/** What a checkpoint says of its network whatever the architecture; undefined where it does not say. */
export interface ModelTraits {
  /** Of the input, from the first convolution. */
  readonly channels: number | undefined;
  readonly kernel: number | undefined;
  /** Rows of the last linear layer. */
  readonly classes: number | undefined;
  /** Whether it has weights alone, neither thresholds nor leaks: those of an ANN twin. */
  readonly ann: boolean;
}

const DEFAULT_CLASSES = 10;
const DEFAULT_KERNEL = 3;
const NEAREST = 3;
/** Of VGG networks and of residual ones. */
const firstConvolutions = ["features.0.weight", "pre_process.0.weight"];

export function traitsOf(stateDict: StateDict): ModelTraits {
  const first = firstConvolutions.map((key) => stateDict.tensors.get(key)?.shape).find(Boolean);
  const square = first?.length === 4 && first[2] === first[3] && (first[2] ?? 0) % 2 === 1;
  const indices = [...stateDict.tensors.keys()].flatMap(
    (key) => /^classifier\.(\d{1,4})\.weight$/.exec(key)?.[1] ?? [],
  );
  const last = indices
    .map(Number)
    .sort((a, b) => a - b)
    .at(-1);
  const output = stateDict.tensors.get(`classifier.${last}.weight`)?.shape;
  return {
    channels: first?.length === 4 ? first[1] : undefined,
    kernel: square ? first[2] : undefined,
    classes: output?.length === 2 && (output[0] ?? 0) >= 2 ? output[0] : undefined,
    ann: ![...stateDict.tensors.keys()].some((key) => /^(threshold|leak)\./.test(key)),
  };
}

/** Looks for the one network of the catalogue whose tensors the checkpoint holds, all of them and no others. */
export function recognise(stateDict: StateDict): Recognition {
  const usual = candidatesFor(stateDict, usualInputs);
  const exactUsual = usual.filter(({ match }) => isExact(match));
  // Larger inputs can give the tensors of another entry at the usual size, so they are second choice.
  const exact =
    exactUsual.length > 0
      ? exactUsual
      : candidatesFor(stateDict, otherInputs).filter(({ match }) => isExact(match));
  if (exact.length === 1) return { found: exact[0], candidates: [] };
  if (exact.length > 1) return { found: undefined, candidates: exact };
  const nearest = usual.sort((a, b) => distance(a.match) - distance(b.match)).slice(0, NEAREST);
  return { found: undefined, candidates: nearest };
}

/** The networks of the catalogue for the given inputs, with the checkpoint's channels, kernel and classes. */
export function candidatesFor(
  stateDict: StateDict,
  inputs: readonly Shape[],
  entries = catalogue,
): Candidate[] {
  const { channels, kernel = DEFAULT_KERNEL, classes = DEFAULT_CLASSES, ann } = traitsOf(stateDict);
  const fitting = inputs.filter((input) => input[0] === channels);
  // Without a first convolution of known channels, the nearest are still worth naming.
  const shapes = fitting.length > 0 ? fitting : inputs.slice(0, 1);
  return shapes.flatMap((inputShape) =>
    entries
      .filter((entry) => survivesPooling(entry, inputShape))
      .map((entry) => {
        const { name, aliases, features, hidden } = entry;
        const spiking = buildNetwork({ name, features, hidden, classes, inputShape, kernel });
        const network = ann ? annTwin(spiking) : spiking;
        return { network, aliases, match: matchTensors(network, stateDict) };
      }),
  );
}

function survivesPooling(entry: CatalogueEntry, [, height, width]: Shape): boolean {
  const pools = entry.features.filter((feature) => feature === "A").length;
  return Math.min(height, width) >> pools > 0;
}

function distance({ missing, unexpected, wrong }: TensorMatch): number {
  return missing.length + unexpected.length + wrong.length;
}

/** @param path of the checkpoint, for the message */
export function networkUnknown(path: string, { candidates }: Recognition): HireSnnError {
  const ambiguous = candidates.every(({ match }) => isExact(match));
  const lines = candidates.flatMap(({ network, aliases, match }) => [
    `  ${[network.name, ...aliases].join(" = ")}${isAnn(network) ? " (ANN)" : ""} for ${network.classes} classes of ${network.inputShape.join("x")}:`,
    ...(isExact(match) ? ["    fits exactly"] : describeMatch(match).map((line) => `    ${line}`)),
  ]);
  return new HireSnnError(
    "NETWORK_UNKNOWN",
    [
      ambiguous
        ? `Expected the tensors of one known network in ${path}, found those of several:`
        : `Expected the tensors of a known network in ${path}, found others. The nearest:`,
      ...lines,
      'Name the network with --network (a name, or layers as in "64,A,128,128,A/4096,4096,10"), or in a file ' +
        "NAME.network.json beside the checkpoint.",
    ].join("\n"),
  );
}
