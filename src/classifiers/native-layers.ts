import { isMainThread } from "node:worker_threads";
import { HireSnnError } from "../errors";
import type { NativeLayer } from "../native/contract";
import { isAnn, type ConvLayer, type LinearLayer, type Network, type Shortcut } from "../networks/network";
import type { TensorData } from "../tensor/tensor";

/** The values of a network: its checkpoint's tensors by key. */
export interface NetworkWeights {
  /**
   * Whether every `data` is a copy that the reader has no more use for. Its memory is then freed when a network has been built of
   * it, and the array is empty. @default false
   */
  readonly disposable?: boolean;
  /**
   * @param key as in the layers' `keys`
   * @returns row-major values, and the shape, which is empty for a 0-dim tensor
   */
  read(key: string): { data: TensorData; shape: readonly number[] };
}

export interface NeuronScalars {
  readonly threshold: number;
  readonly leak: number;
}

/**
 * The layers of a network with their weights, as the addon takes them.
 *
 * @returns also the scalars of each spiking layer, in order; none of an ANN twin
 * @throws HireSnnError NETWORK_INVALID if a threshold or leak is no single number, or a shortcut starts nowhere
 */
export function nativeLayers(
  network: Network,
  weights: NetworkWeights,
): { layers: NativeLayer[]; neurons: NeuronScalars[] } {
  const neurons: NeuronScalars[] = [];
  const layers = network.layers.map((layer): NativeLayer => {
    const { kind, name, inputShape, outputShape } = layer;
    if (layer.kind === "average-pool") return { kind, name, inputShape, outputShape };
    const { data: weight, shape: weightShape } = weights.read(layer.keys.weight);
    const common = { kind, name, inputShape, outputShape, weight, weightShape };
    if (layer.kind === "output") return common;
    const scalars = isAnn(network) ? undefined : readNeuronScalars(layer, weights);
    if (scalars) neurons.push(scalars);
    if (layer.kind === "linear") return { ...common, ...scalars };
    const { kernel, stride = 1 } = layer;
    const shortcut = layer.shortcut && readShortcut(layer.shortcut, network, weights);
    return { ...common, ...scalars, kernel, stride, ...(shortcut && { shortcut }) };
  });
  return { layers, neurons };
}

function readShortcut({ from, keys, stride = 1 }: Shortcut, network: Network, weights: NetworkWeights) {
  const index = network.layers.findIndex(({ name }) => name === from);
  if (index < 0) {
    throw new HireSnnError("NETWORK_INVALID", `Expected a layer named ${from}, where a shortcut starts`);
  }
  if (!keys) return { from: index, stride };
  const { data: weight, shape: weightShape } = weights.read(keys.weight);
  return { from: index, stride, weight, weightShape };
}

function readNeuronScalars(layer: ConvLayer | LinearLayer, weights: NetworkWeights): NeuronScalars {
  const scalar = (key: string): number => {
    const { data } = weights.read(key);
    if (data.length !== 1) {
      throw new HireSnnError("NETWORK_INVALID", `Expected one number in ${key} but found ${data.length}`);
    }
    return data[0] as number;
  };
  return { threshold: scalar(layer.keys.threshold), leak: scalar(layer.keys.leak) };
}

/**
 * Whether the memory of the weights may be freed once a network has its own. Only the main thread does: a worker can be terminated at any
 * moment, and Node ends the whole process if that happens while an array is detached.
 */
export function mayRelease({ disposable = false }: NetworkWeights): boolean {
  return disposable && isMainThread;
}
