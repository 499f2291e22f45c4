import { HireSnnError } from "../errors";
import { addon } from "../native/addon";
import type { NativeSpikingNetwork } from "../native/contract";
import type { Network } from "../networks/network";
import { seedWords, type Seed } from "../tensor/philox";
import type { Device } from "./classifier";
import { checkDevice } from "./device";
import { mayRelease, nativeLayers, type NetworkWeights, type NeuronScalars } from "./native-layers";
import { NetworkClassifier, type NetworkClassifierOptions } from "./network-classifier";
import { resolveSurrogate, type Surrogate, type SurrogateOptions } from "../networks/surrogate";

/** How images are shown to a spiking network. */
export type Coding = "direct" | "rate";

/** How a {@link SpikingClassifier} is built from a network and its weights. */
export interface SpikingOptions extends NetworkClassifierOptions {
  /** Time steps of a forward pass. */
  readonly timesteps: number;
  /**
   * How an image becomes the input of the time steps. Direct: the normalised image, at all of them. Rate: at each of them
   * sign(x) * [u <= |x|] of the normalised image x, u uniform in [0, 1) and drawn afresh, by the plain engine; the gradient is then the
   * straight-through one. The family's rate-coded networks have mean 0.5 and std 0.5. @default "direct"
   */
  readonly coding?: Coding | undefined;
  /** Of rate coding's random numbers, 64 bits. @default 0 */
  readonly codingSeed?: Seed | undefined;
  /** Derivative of the firing step in the gradient; the original's unless given. */
  readonly surrogate?: SurrogateOptions | undefined;
  /** Where it is computed; the CPU unless given. A GPU computes in float32. */
  readonly device?: Device | undefined;
  /**
   * On a GPU: products of 11 bits, as TF32 has them, instead of float32's. Faster, but spikes near the threshold differ.
   *
   * @default false
   */
  readonly tf32?: boolean | undefined;
  /** How it is computed on the CPU; the fastest unless given. */
  readonly kernels?: KernelOptions | undefined;
}

/**
 * Overrides of the choices that decide speed and, to the rounding of float32, results. The plain engine stands for the
 * original's arithmetic on libtorch's dense layers; the multi-step engine is several times faster.
 */
export interface KernelOptions {
  /** Unless given: multistep for every float32 network that it can run. */
  readonly engine?: "plain" | "multistep" | undefined;
  /** Of the multi-step engine; the best of the machine unless given. */
  readonly instructionSet?: "baseline" | "avx2" | "avx512" | "amx" | undefined;
  /**
   * How the multi-step engine makes a layer's sums, where the layer allows the choice.
   *
   * - `levels`: over all inputs as whole numbers, with weights in fixed point of 23 bits; the sums are exact. The default on machines with
   *   matrix units (amx), slow on others.
   * - `events`: over the active inputs. The default on other machines.
   */
  readonly forward?: "levels" | "events" | undefined;
  /**
   * How it makes the gradient by a layer's input: by Winograd for 3x3 convolutions with stride 1 and matrix products for others (`winograd`),
   * by matrix products for all (`products`), or as `winograd` with products in fixed point of 23 bits (`digits`), which is the default on machines
   * with matrix units and slow on others.
   */
  readonly backward?: "digits" | "winograd" | "products" | undefined;
}

/**
 * A network of integrate-and-fire neurons with leak and soft reset under direct coding, where the normalised image is the input of
 * the first layer at every time step, or rate coding. The logits are the sums of the output layer over all of them (not divided by their
 * number). Gradients go through all time steps with the surrogate derivative.
 */
export class SpikingClassifier extends NetworkClassifier {
  readonly coding: Coding;
  readonly codingSeed: Seed;
  readonly surrogate: Surrogate;
  /** One per spiking layer, in order. */
  readonly thresholds: readonly number[];
  readonly leaks: readonly number[];

  private constructor(
    native: NativeSpikingNetwork,
    network: Network,
    options: SpikingOptions,
    surrogate: Surrogate,
    neurons: readonly NeuronScalars[],
  ) {
    super(native, network, options);
    this.coding = options.coding ?? "direct";
    this.codingSeed = options.codingSeed ?? 0;
    this.surrogate = surrogate;
    this.thresholds = neurons.map(({ threshold }) => threshold);
    this.leaks = neurons.map(({ leak }) => leak);
  }

  /**
   * Builds a network from its description and its tensors, which are copied.
   *
   * @throws HireSnnError NETWORK_INVALID if tensors and description do not fit, INVALID_ARGUMENT for the options,
   *   DEVICE_UNAVAILABLE if there is no such GPU
   */
  static async create(
    network: Network,
    weights: NetworkWeights,
    options: SpikingOptions,
  ): Promise<SpikingClassifier> {
    if (!Number.isInteger(options.timesteps) || options.timesteps < 1) {
      throw new HireSnnError(
        "INVALID_ARGUMENT",
        `Expected a whole number of at least 1 for timesteps but received ${options.timesteps}`,
      );
    }
    const coding = checkCoding(options.coding ?? "direct");
    const surrogate = resolveSurrogate(options.surrogate);
    const { layers, neurons } = nativeLayers(network, weights);
    const native = await addon().loadSpikingNetwork({
      layers,
      mean: options.mean,
      std: options.std,
      timesteps: options.timesteps,
      surrogate,
      ...(coding === "rate" && { rateCoding: { key: seedWords(options.codingSeed ?? 0) } }),
      dtype: options.dtype ?? "float32",
      kernels: present(options.kernels ?? {}),
      device: checkDevice(options.device ?? "cpu"),
      tf32: options.tf32 ?? false,
      releaseWeights: mayRelease(weights),
    });
    return new SpikingClassifier(native, network, options, surrogate, neurons);
  }

  /** Under rate coding: its answers then depend on `sampleIndices` and `pass`. */
  get randomised(): boolean {
    return this.coding === "rate";
  }

  /** What decides the numbers of this classifier, as JSON. */
  override get identity(): Readonly<Record<string, unknown>> {
    return {
      timesteps: this.timesteps,
      coding: this.coding,
      ...(this.randomised && { codingSeed: String(this.codingSeed) }),
      thresholds: this.thresholds,
      leaks: this.leaks,
      surrogate: this.surrogate,
      ...this.commonIdentity,
    };
  }
}

function checkCoding(coding: string): Coding {
  if (coding === "direct" || coding === "rate") return coding;
  throw new HireSnnError("INVALID_ARGUMENT", `Expected direct or rate for coding but received ${coding}`);
}

/** Without the keys that are undefined. */
function present<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
