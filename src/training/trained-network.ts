import { nativeLayers, type NetworkWeights } from "../classifiers/native-layers";
import { seedWords } from "../attacks/random-start";
import { addon } from "../native/addon";
import { cancellable } from "../native/cancellable";
import type { NativeTraining } from "../native/contract";
import type { Layer, Network } from "../networks/network";
import { weightShape } from "../networks/layer-sizes";
import type { Seed } from "../tensor/philox";
import { Tensor, type Dtype, type TensorData } from "../tensor/tensor";
import type { ResolvedSettings } from "./options";

const arrays = { float32: Float32Array, float64: Float64Array, int32: Int32Array };

/** A tensor of a network in training, by its key in the checkpoint. */
export interface TrainedTensor {
  readonly key: string;
  /** What the addon calls it. */
  readonly name: string;
  readonly shape: readonly number[];
}

/** The tensors of a network: of an ANN its weights alone. */
export function trainedTensors(network: Network, isAnn: boolean): TrainedTensor[] {
  return network.layers.flatMap((layer): TrainedTensor[] => {
    if (layer.kind === "average-pool") return [];
    const tensors = [
      { key: layer.keys.weight, name: `${layer.name}.weight`, shape: weightShape(layer) ?? [] },
    ];
    if (layer.kind === "conv" && layer.shortcut?.keys) {
      const shape = shortcutShape(layer.outputShape[0], layer.shortcut.from, network);
      tensors.push({ key: layer.shortcut.keys.weight, name: `${layer.name}.shortcut`, shape });
    }
    if (layer.kind === "output" || isAnn) return tensors;
    const scalars = [
      { key: layer.keys.threshold, name: `${layer.name}.threshold`, shape: [] },
      { key: layer.keys.leak, name: `${layer.name}.leak`, shape: [] },
    ];
    return [...tensors, ...scalars];
  });
}

function shortcutShape(outputs: number, from: string, network: Network): number[] {
  const source = network.layers.find(({ name }) => name === from);
  return [outputs, source?.outputShape[0] ?? 0, 1, 1];
}

/**
 * Where dropout lies: behind every layer of neurons that neither a pool follows, which takes its place, nor a shortcut ends in, as in
 * the VGGs and residual networks of the family.
 */
export function dropoutLayers(layers: readonly Layer[]): boolean[] {
  return layers.map((layer, index) => {
    if (layer.kind !== "conv" && layer.kind !== "linear") return false;
    if (layer.kind === "conv" && layer.shortcut) return false;
    return layers[index + 1]?.kind !== "average-pool";
  });
}

/** What a {@link TrainedNetwork} is made of. */
export interface TrainedNetworkOptions {
  readonly network: Network;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly settings: ResolvedSettings;
  readonly seed: Seed;
  /** Tensors to begin with, by key; initial weights are drawn without them. */
  readonly weights?: NetworkWeights | undefined;
  /** @default "float32" */
  readonly dtype?: "float32" | "float64";
}

/** A network in training, with its optimizer and method, in the addon. */
export class TrainedNetwork {
  private constructor(
    /** The addon's side. */
    readonly native: NativeTraining,
    readonly network: Network,
    readonly isAnn: boolean,
  ) {}

  static async create(options: TrainedNetworkOptions): Promise<TrainedNetwork> {
    const { network, settings, seed, mean, std, dtype = "float32" } = options;
    const isAnn = settings.method === "ann";
    const { layers } = nativeLayers(network, withDefaults(network, options.weights));
    const noise = settings.hire;
    const native = await addon().loadTraining({
      ...{ layers, mean, std, dtype, timesteps: settings.timesteps, surrogate: settings.surrogate },
      activation: isAnn ? "rectified" : "spiking",
      dropout: dropoutLayers(network.layers),
      dropoutRate: settings.dropout,
      optimizer: {
        kind: settings.optimizer,
        momentum: settings.momentum,
        weightDecay: settings.weightDecay,
        beta1: settings.beta1,
        beta2: settings.beta2,
        epsilon: 1e-8,
        amsgrad: settings.amsgrad,
        trainThresholds: settings.trainThresholds,
        trainLeaks: settings.trainLeaks,
      },
      noise: {
        periods: settings.method === "hire" ? noise.periods : 1,
        step: noise.noiseStep,
        bound: noise.noiseBound,
        recompute: noise.gradient === "recompute",
        keep: noise.noise === "keep",
      },
      seed: seedWords(seed),
      ...(settings.coding === "rate" && { rateCoding: { key: seedWords(seed) } }),
      initialise: options.weights === undefined,
      ...{ plain: settings.plain, device: settings.device, mixedPrecision: settings.mixedPrecision },
    });
    return new TrainedNetwork(native, network, isAnn);
  }

  /** One mini-batch; see NativeTraining. It cannot be stopped: a part of its updates would be neither the old state nor a new one. */
  async step(
    images: Float32Array,
    labels: Int32Array,
    samples: Uint32Array,
    number: number,
    epoch: number,
    learningRate: number,
  ): Promise<Awaited<ReturnType<NativeTraining["step"]>>> {
    using batch = Tensor.from(images, [labels.length, ...this.network.inputShape]);
    return await this.native.step(
      Tensor.toNative(batch),
      labels,
      signedBits(samples),
      number,
      epoch,
      learningRate,
    );
  }

  /** [N, classes], over all time steps. @param samples the images' indices */
  async logits(
    images: Float32Array,
    samples: Uint32Array,
    signal: AbortSignal | undefined,
  ): Promise<TensorData> {
    using batch = Tensor.from(images, [samples.length, ...this.network.inputShape]);
    const { logits } = await cancellable(signal, (cancellation) =>
      this.native.evaluate(Tensor.toNative(batch), signedBits(samples), cancellation),
    );
    using result = Tensor.fromNative(logits);
    return await result.data();
  }

  /** Sets the thresholds that are found on one batch of images, and returns them. @param samples the images' indices */
  async calibrate(
    images: Float32Array,
    samples: Uint32Array,
    { timesteps, percentile, scale, blockThreshold }: ResolvedSettings["calibration"],
    signal: AbortSignal | undefined,
  ): Promise<readonly number[]> {
    using batch = Tensor.from(images, [samples.length, ...this.network.inputShape]);
    const options = { timesteps, fraction: percentile, scale, blockThreshold };
    const found = await cancellable(signal, (cancellation) =>
      this.native.calibrate(Tensor.toNative(batch), signedBits(samples), options, cancellation),
    );
    return [...found];
  }

  /** A tensor by the addon's name. */
  async read(name: string): Promise<{ data: TensorData; shape: readonly number[]; dtype: Dtype }> {
    using tensor = Tensor.fromNative(await this.native.read(name));
    const { buffer, byteOffset, length } = await tensor.data();
    // The addon's arrays are of Node's own realm, this module's classes under jest are not.
    const data = new arrays[tensor.dtype](buffer as ArrayBuffer, byteOffset, length);
    return { data, shape: tensor.shape, dtype: tensor.dtype };
  }

  async write(name: string, data: TensorData, shape: readonly number[]): Promise<void> {
    using tensor = Tensor.from(data, shape);
    await this.native.write(name, Tensor.toNative(tensor));
  }

  [Symbol.dispose](): void {
    this.native.dispose();
  }
}

/** Indices as the addon takes them. */
function signedBits(samples: Uint32Array): Int32Array {
  return new Int32Array(samples.buffer, samples.byteOffset, samples.length);
}

/** Thresholds and leaks of 1 where there are none, as of an ANN; zeros for weights that the addon draws. */
function withDefaults(network: Network, weights: NetworkWeights | undefined): NetworkWeights {
  const scalars = new Set<string>();
  for (const layer of network.layers) {
    if (layer.kind !== "conv" && layer.kind !== "linear") continue;
    scalars.add(layer.keys.threshold).add(layer.keys.leak);
  }
  const shapes = new Map(trainedTensors(network, true).map(({ key, shape }) => [key, shape]));
  return {
    read(key) {
      if (weights) {
        try {
          return weights.read(key);
        } catch (error) {
          if (!scalars.has(key)) throw error;
        }
      }
      if (scalars.has(key)) return { data: Float32Array.of(1), shape: [] };
      const shape = shapes.get(key) ?? [];
      return { data: new Float32Array(shape.reduce((product, size) => product * size, 1)), shape };
    },
  };
}
