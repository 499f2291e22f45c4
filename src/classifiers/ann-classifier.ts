import { HireSnnError } from "../errors";
import { addon } from "../native/addon";
import type { NativeSpikingNetwork } from "../native/contract";
import { isAnn, type Network } from "../networks/network";
import { mayRelease, nativeLayers, type NetworkWeights } from "./native-layers";
import { NetworkClassifier, type NetworkClassifierOptions } from "./network-classifier";

/**
 * The ANN twin of a spiking network: the same layers with rectified linear units for neurons, no bias, average pooling, one pass.
 * `spikes` of its results count the outputs that are not zero, at its one time step: the activity that an implementation which skips
 * zeros has to compute.
 */
export class AnnClassifier extends NetworkClassifier {
  private constructor(native: NativeSpikingNetwork, network: Network, options: NetworkClassifierOptions) {
    super(native, network, { ...options, timesteps: 1 });
  }

  /**
   * Builds a network from its description and its tensors, which are copied.
   *
   * @param network whose `neurons` are "relu"
   * @throws HireSnnError NETWORK_INVALID if tensors and description do not fit, INVALID_ARGUMENT for another network
   */
  static async create(
    network: Network,
    weights: NetworkWeights,
    options: NetworkClassifierOptions,
  ): Promise<AnnClassifier> {
    if (!isAnn(network)) {
      throw new HireSnnError(
        "INVALID_ARGUMENT",
        `Expected an ANN but received the spiking network ${network.name}; annTwin() has its ANN twin`,
      );
    }
    const native = await addon().loadSpikingNetwork({
      layers: nativeLayers(network, weights).layers,
      mean: options.mean,
      std: options.std,
      timesteps: 1,
      neurons: "relu",
      // Nothing fires, so no surrogate is looked at.
      surrogate: { shape: "straight-through", a: 1, scale: "absolute" },
      dtype: options.dtype ?? "float32",
      kernels: { engine: "plain" },
      device: "cpu",
      tf32: false,
      releaseWeights: mayRelease(weights),
    });
    return new AnnClassifier(native, network, options);
  }

  /** What decides the numbers of this classifier, as JSON. */
  override get identity(): Readonly<Record<string, unknown>> {
    return {
      kind: "ann",
      ...this.commonIdentity,
    };
  }
}
