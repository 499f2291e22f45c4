import type { Checkpoint, CheckpointFormat, ExtraValue, StoredTensor } from "../checkpoint/checkpoint";
import { openCheckpoint } from "../checkpoint/open-checkpoint";
import { HireSnnError, type ErrorCode } from "../errors";
import { macsOfLayer, macsPerTimestep, shortcutWeightShape, weightShape } from "./layer-sizes";
import { isAnn, type Layer, type Network, type Shape } from "./network";
import { readNeuronParameters, type NeuronParameters } from "./network-parameters";
import { resolveNetwork, type ResolvedNetwork } from "./resolve-network";
import { resolveTimesteps, type Timesteps } from "./timesteps";

/** What a checkpoint holds, as plain data. */
export interface Inspection {
  readonly file: string;
  /** Bytes. */
  readonly size: number;
  readonly format: CheckpointFormat;
  /** Where the weights lie in the file, and whether their keys had DataParallel's `module.`. */
  readonly stateDict: { readonly path: string; readonly modulePrefix: boolean };
  readonly tensors: readonly (StoredTensor & { readonly path: string })[];
  readonly extras: readonly { readonly path: string; readonly value: ExtraValue }[];
  /** Absent if the tensors are those of no network that is known or named. */
  readonly network?: InspectedNetwork;
  /** Why there is no network. */
  readonly networkProblem?: { readonly code: ErrorCode; readonly message: string };
  readonly opaqueGlobals: readonly string[];
  readonly warnings: readonly string[];
}

export interface InspectedNetwork {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly from: ResolvedNetwork["from"];
  readonly inputShape: Shape;
  readonly classes: number;
  /** Rectified linear units are the ANN twin's. */
  readonly neurons: "spiking" | "relu";
  /** Absent for an ANN twin. */
  readonly timesteps?: Timesteps;
  /** How images are shown to it, by the network file. Absent for an ANN twin. */
  readonly coding?: "direct" | "rate";
  /** Multiply-accumulates of one image and time step. */
  readonly macsPerTimestep: number;
  readonly layers: readonly InspectedLayer[];
}

export interface InspectedLayer {
  readonly name: string;
  readonly kind: Layer["kind"];
  readonly outputShape: Shape;
  /** Absent for a pool. */
  readonly weightShape?: readonly number[];
  /** A second input of the layer's neurons; with a shape where it goes through a 1x1 convolution. */
  readonly shortcut?: { readonly from: string; readonly weightShape?: readonly number[] };
  readonly threshold?: number;
  readonly leak?: number;
  /** A shortcut's included. */
  readonly macs: number;
}

export interface InspectOptions {
  /** A name of the catalogue or layers, instead of recognising the network. */
  readonly network?: string | undefined;
  readonly timesteps?: number | undefined;
}

/**
 * Lists what a checkpoint holds and which network it is. Weights are not read, only thresholds and leaks.
 *
 * @throws HireSnnError IO or CHECKPOINT_* if the file cannot be read; a network that is not recognised is no error but a
 *   `networkProblem`
 */
export function inspectCheckpoint(path: string, options: InspectOptions = {}): Inspection {
  const checkpoint = openCheckpoint(path);
  try {
    const { size, format, stateDict, opaqueGlobals, warnings } = checkpoint;
    return {
      file: path,
      size,
      format,
      stateDict: { path: stateDict.path, modulePrefix: stateDict.modulePrefix },
      tensors: [...checkpoint.tensors].map(([tensorPath, tensor]) => ({ path: tensorPath, ...tensor })),
      extras: [...checkpoint.extras].map(([extraPath, value]) => ({ path: extraPath, value })),
      ...inspectNetwork(checkpoint, options),
      opaqueGlobals,
      warnings,
    };
  } finally {
    checkpoint.close();
  }
}

function inspectNetwork(
  checkpoint: Checkpoint,
  options: InspectOptions,
): Pick<Inspection, "network" | "networkProblem"> {
  try {
    const resolved = resolveNetwork(checkpoint, options);
    const { network, aliases, from, networkFile } = resolved;
    return {
      network: {
        name: network.name,
        aliases,
        from,
        inputShape: network.inputShape,
        classes: network.classes,
        neurons: network.neurons ?? "spiking",
        ...(!isAnn(network) && {
          timesteps: resolveTimesteps(options.timesteps, checkpoint.path, networkFile),
          coding: networkFile?.coding ?? "direct",
        }),
        macsPerTimestep: macsPerTimestep(network),
        layers: inspectLayers(network, readNeuronParameters(checkpoint, network)),
      },
    };
  } catch (error) {
    const known = error instanceof HireSnnError && error.code.startsWith("NETWORK_");
    if (!known) throw error;
    return { networkProblem: { code: error.code, message: error.message } };
  }
}

function inspectLayers(network: Network, neurons: readonly NeuronParameters[]): InspectedLayer[] {
  const byLayer = new Map(neurons.map((neuron) => [neuron.layer, neuron]));
  return network.layers.map((layer) => {
    const shape = weightShape(layer);
    const neuron = byLayer.get(layer.name);
    const shortcut = layer.kind === "conv" ? layer.shortcut : undefined;
    const shortcutShape = shortcutWeightShape(layer);
    return {
      name: layer.name,
      kind: layer.kind,
      outputShape: layer.outputShape,
      ...(shape && { weightShape: shape }),
      ...(shortcut && {
        shortcut: { from: shortcut.from, ...(shortcutShape && { weightShape: shortcutShape }) },
      }),
      ...(neuron && { threshold: neuron.threshold, leak: neuron.leak }),
      macs: macsOfLayer(layer),
    };
  });
}
