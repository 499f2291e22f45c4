import type { Checkpoint, StateDict } from "../checkpoint/checkpoint";
import { HireSnnError } from "../errors";
import { catalogue, findEntry, otherInputs, usualInputs } from "./catalogue";
import { annTwin, type Network, type Shape } from "./network";
import { readNetworkFile, type NetworkFile } from "./network-file";
import { looksLikeLayers, parseNetwork } from "./network-text";
import { candidatesFor, networkUnknown, recognise, traitsOf, type Candidate } from "./recognise";
import { describeMatch, isExact, matchTensors } from "./tensor-match";

export interface ResolvedNetwork {
  readonly network: Network;
  /** Other names of the same architecture. */
  readonly aliases: readonly string[];
  /** What named the network: the caller, the file beside the checkpoint, or its tensors alone. */
  readonly from: "option" | "network file" | "tensors";
  /** The file beside the checkpoint, if there is one. */
  readonly networkFile: NetworkFile | undefined;
}

export interface ResolveOptions {
  /** A name of the catalogue, or layers as in "8,A,16,16,A/64,10". */
  readonly network?: string | undefined;
}

/**
 * The network whose weights a checkpoint holds: the one asked for, else the one that the file beside the checkpoint names,
 * else the one that the tensors tell. However it was named, the checkpoint must hold exactly its tensors; with neither thresholds nor
 * leaks among them, it is the ANN twin.
 *
 * @throws HireSnnError NETWORK_UNKNOWN if the tensors are those of no known network, or of several; NETWORK_INVALID if the
 *   network named cannot be built or has other tensors
 */
export function resolveNetwork(checkpoint: Checkpoint, options: ResolveOptions = {}): ResolvedNetwork {
  const networkFile = readNetworkFile(checkpoint.path);
  const { stateDict } = checkpoint;
  const text = options.network ?? networkFile?.network;
  if (text === undefined) {
    const candidate = recogniseOrThrow(checkpoint, networkFile?.inputShape);
    return { network: candidate.network, aliases: candidate.aliases, from: "tensors", networkFile };
  }
  const from = options.network !== undefined ? "option" : "network file";
  if (!looksLikeLayers(text)) {
    const { network, aliases } = namedNetwork(checkpoint, text, networkFile?.inputShape);
    return { network, aliases, from, networkFile };
  }
  // The tensors tell the kernel where the text does not: a wrong one could not fit them anyway.
  const traits = traitsOf(stateDict);
  const kernel = /:k/i.test(text) ? networkFile?.kernel : (networkFile?.kernel ?? traits.kernel);
  const layers = parseNetwork(text, { inputShape: networkFile?.inputShape, kernel });
  const network = traits.ann ? annTwin(layers) : layers;
  checkTensors(checkpoint.path, network, stateDict);
  return { network, aliases: [], from, networkFile };
}

function recogniseOrThrow(checkpoint: Checkpoint, inputShape: Shape | undefined): Candidate {
  const { stateDict } = checkpoint;
  if (!inputShape) {
    const recognition = recognise(stateDict);
    if (recognition.found) return recognition.found;
    throw networkUnknown(checkpoint.path, recognition);
  }
  const candidates = candidatesFor(stateDict, [inputShape]);
  const exact = candidates.filter(({ match }) => isExact(match));
  const [only] = exact;
  if (only && exact.length === 1) return only;
  throw networkUnknown(checkpoint.path, {
    found: undefined,
    candidates: exact.length > 0 ? exact : candidates,
  });
}

/** A network of the catalogue at the given input, else at the first of the known inputs that fits the tensors. */
function namedNetwork(checkpoint: Checkpoint, name: string, inputShape: Shape | undefined): Candidate {
  const entry = findEntry(name);
  if (!entry) {
    const names = catalogue.flatMap((other) => [other.name, ...other.aliases]).join(", ");
    throw new HireSnnError(
      "NETWORK_INVALID",
      `Expected one of ${names}, or layers as in "64,A,128,128,A/4096,4096,10", found ${JSON.stringify(name)}.`,
    );
  }
  const inputs = inputShape ? [inputShape] : [...usualInputs, ...otherInputs];
  const candidates = candidatesFor(checkpoint.stateDict, inputs, [entry]);
  const fitting = candidates.find(({ match }) => isExact(match));
  if (fitting) return fitting;
  const [first] = candidates;
  if (!first)
    throw new HireSnnError("NETWORK_INVALID", `${entry.name} pools more often than its input allows.`);
  throw otherTensors(checkpoint.path, first.network, checkpoint.stateDict);
}

function checkTensors(path: string, network: Network, stateDict: StateDict): void {
  if (!isExact(matchTensors(network, stateDict))) throw otherTensors(path, network, stateDict);
}

function otherTensors(path: string, network: Network, stateDict: StateDict): HireSnnError {
  const lines = describeMatch(matchTensors(network, stateDict)).map((line) => `  ${line}`);
  return new HireSnnError(
    "NETWORK_INVALID",
    [
      `Expected the tensors of ${network.name} for ${network.classes} classes of ${network.inputShape.join("x")} in ` +
        `${path}, found others:`,
      ...lines,
      `"hire-snn inspect" lists what the file holds.`,
    ].join("\n"),
  );
}
