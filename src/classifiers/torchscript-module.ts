import { addon } from "../native/addon";
import { cancellable } from "../native/cancellable";
import type { NativeScriptClassifier, NativeScriptModule, NativeScriptPlan } from "../native/contract";
import { Tensor } from "../tensor/tensor";
import type { CallOptions, Device } from "./classifier";
import { checkDevice } from "./device";

/** One of the tensors that a script returned. */
export interface ScriptOutput {
  /** "" for a bare tensor; indices, keys and field names joined by dots for what lies in tuples, dicts and objects. */
  readonly path: string;
  readonly tensor: Tensor;
}

/**
 * A program with its weights from a TorchScript archive (`torch.jit.save`). **To load one is to trust it:** its code runs, with all
 * that this process may do.
 *
 * It runs in evaluation mode without the profiling executor, so that its gradients have the same bits from the first call on; no
 * parameter requires a gradient; and use does not change it: a program that changes its own state is run on a copy each time.
 */
export class TorchScriptModule {
  readonly path: string;
  /** "forward(Tensor x) -> Tensor" */
  readonly methods: readonly string[];
  readonly dtype: "float32" | "float64";
  readonly device: Device;
  /** Whether it was saved in training mode. */
  readonly wasTraining: boolean;
  readonly #native: NativeScriptModule;

  private constructor(path: string, device: Device, native: NativeScriptModule) {
    this.path = path;
    this.device = device;
    this.methods = native.methods.map(({ signature }) => signature);
    this.dtype = native.dtype;
    this.wasTraining = native.wasTraining;
    this.#native = native;
  }

  /**
   * @param options `dtype`: what all floating-point weights are converted to; unless given, float64 ones stay and 16-bit ones become
   *   float32. `device`: where it runs; the CPU unless given. On a GPU, float32 is float32 (no TF32 in convolutions)
   * @throws HireSnnError SCRIPT_INVALID if libtorch cannot load it, or its forward() does not take one tensor; DEVICE_UNAVAILABLE if
   *   there is no such GPU
   */
  static async load(
    path: string,
    options: { dtype?: "float32" | "float64" | undefined; device?: Device | undefined } = {},
  ): Promise<TorchScriptModule> {
    const { dtype, device = "cpu" } = options;
    const native = await addon().loadScriptModule(path, checkDevice(device), dtype);
    return new TorchScriptModule(path, device, native);
  }

  /**
   * Runs forward() on one tensor, of any shape, wherever the program runs. 16-bit results come as float32, 64-bit integers as float64; the caller disposes
   * them.
   *
   * @throws HireSnnError SCRIPT_FAILED with the script's own last line, or OUT_OF_MEMORY
   */
  async forward(input: Tensor): Promise<ScriptOutput[]> {
    const outputs = await this.#native.forward(Tensor.toNative(input));
    return outputs.map(({ path, tensor }) => ({ path, tensor: Tensor.fromNative(tensor) }));
  }

  /**
   * For {@link TorchScriptClassifier}.
   *
   * @internal
   */
  async toClassifier(plan: NativeScriptPlan, { signal }: CallOptions = {}): Promise<NativeScriptClassifier> {
    return cancellable(signal, async (cancellation) => this.#native.classifier(plan, cancellation));
  }

  /** Frees the program, unless a classifier made of it still has it. */
  [Symbol.dispose](): void {
    this.#native.dispose();
  }

  /** As {@link TorchScriptModule[Symbol.dispose]}, where there is no `using`. */
  dispose(): void {
    this[Symbol.dispose]();
  }
}
