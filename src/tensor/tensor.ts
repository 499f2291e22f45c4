import { HireSnnError } from "../errors";
import { addon } from "../native/addon";
import type { BinaryOperation, NativeTensor, UnaryOperation } from "../native/contract";
import { registerInScope } from "./scope";

/** Element type of a tensor. Images, logits and gradients are floating-point; int32 holds counts and labels. */
export type Dtype = "float32" | "float64" | "int32";

/** The typed array that holds the elements of each {@link Dtype}. */
export interface TypedArrayOf {
  float32: Float32Array;
  float64: Float64Array;
  int32: Int32Array;
}

/** The elements of a tensor, row-major. */
export type TensorData = TypedArrayOf[Dtype];

/**
 * Numbers that live in the addon. Operations return at once with a new tensor and are computed one after the other on the
 * addon's compute thread, so that an expression such as `images.add(gradient.sign().multiply(epsilon)).clamp(0, 1)` costs
 * the event loop nothing; {@link Tensor.data} waits for the value. Nothing changes a tensor after it has been made.
 *
 * Memory is freed by {@link Tensor.dispose}, at the end of the {@link tensorScope} that the tensor was made in, or, late, by
 * the garbage collector.
 *
 * @example
 * using images = Tensor.from(new Float32Array(2 * 3 * 32 * 32).fill(0.5), [2, 3, 32, 32]);
 * console.log(await images.maxPerSample().data());
 */
export class Tensor {
  readonly #native: NativeTensor;
  readonly shape: readonly number[];
  readonly dtype: Dtype;
  readonly device = "cpu" as const;
  #disposed = false;

  private constructor(native: NativeTensor) {
    this.#native = native;
    this.shape = Object.freeze([...native.shape]);
    this.dtype = native.dtype;
    registerInScope(this);
  }

  /**
   * Takes over a tensor of the addon. For the package's own use.
   *
   * @internal
   */
  static fromNative(native: NativeTensor): Tensor {
    return new Tensor(native);
  }

  /**
   * The addon's side of this tensor. For the package's own use.
   *
   * @internal
   */
  static toNative(tensor: Tensor): NativeTensor {
    return tensor.#native;
  }

  /**
   * Copies a typed array: Float32Array gives float32, Float64Array float64, Int32Array int32.
   *
   * @param shape sizes whose product is the array's length
   * @throws HireSnnError INVALID_ARGUMENT if they do not fit
   */
  static from(data: TensorData, shape: readonly number[]): Tensor {
    for (const size of shape) {
      if (!Number.isInteger(size) || size < 0) {
        throw new HireSnnError(
          "INVALID_ARGUMENT",
          `Expected whole numbers of at least 0 for shape but received [${shape.join(", ")}]`,
        );
      }
    }
    const elements = shape.reduce((product, size) => product * size, 1);
    if (elements !== data.length) {
      throw new HireSnnError(
        "INVALID_ARGUMENT",
        `Expected ${elements} numbers for shape [${shape.join(", ")}] but received ${data.length}`,
      );
    }
    return new Tensor(addon().tensorFrom(data, shape));
  }

  /** Number of elements. */
  get size(): number {
    return this.shape.reduce((product, size) => product * size, 1);
  }

  /** Whether {@link Tensor.dispose} was called. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /** A copy of the values, row-major. Rejects with what went wrong in computing them. */
  async data(): Promise<TensorData> {
    return this.#native.data();
  }

  /** Elementwise, with a tensor of the same shape and dtype or with a number. */
  add(operand: Tensor | number): Tensor {
    return this.#binary("add", operand);
  }

  /** This minus the operand, element by element, as {@link Tensor.add}. */
  subtract(operand: Tensor | number): Tensor {
    return this.#binary("subtract", operand);
  }

  /** This times the operand, element by element, as {@link Tensor.add}. */
  multiply(operand: Tensor | number): Tensor {
    return this.#binary("multiply", operand);
  }

  /** This by the operand, element by element, as {@link Tensor.add}; by 0 as IEEE 754 says. */
  divide(operand: Tensor | number): Tensor {
    return this.#binary("divide", operand);
  }

  /** The larger of both, element by element; NaN where either is NaN. */
  maximum(operand: Tensor | number): Tensor {
    return this.#binary("maximum", operand);
  }

  /** The smaller of both, element by element; NaN where either is NaN. */
  minimum(operand: Tensor | number): Tensor {
    return this.#binary("minimum", operand);
  }

  /** -1, 0 or 1; 0 for 0 and for NaN, as in PyTorch. */
  sign(): Tensor {
    return this.#unary("sign");
  }

  /** The absolute value of every element. */
  abs(): Tensor {
    return this.#unary("abs");
  }

  /** Limits every element to [low, high]; NaN stays NaN. */
  clamp(low: number, high: number): Tensor {
    return new Tensor(addon().operate("clamp", this.#native, low, high));
  }

  /** A copy of the samples from `begin` up to and not including `end`. */
  rows(begin: number, end: number): Tensor {
    return new Tensor(addon().operate("rows", this.#native, begin, end));
  }

  /** `[N]`: the largest element of each sample; NaN if there is one. */
  maxPerSample(): Tensor {
    return this.#unary("maxPerSample");
  }

  /** `[N]`: the smallest element of each sample; NaN if there is one. */
  minPerSample(): Tensor {
    return this.#unary("minPerSample");
  }

  /** A copy in another dtype, each element rounded to the nearest value that it has (towards zero for int32). */
  to(dtype: Dtype): Tensor {
    return new Tensor(addon().operate("to", this.#native, dtype));
  }

  /** Frees the memory once the operations queued on it are done. Any later use throws DISPOSED; a second call does nothing. */
  dispose(): void {
    this.#disposed = true;
    this.#native.dispose();
  }

  /** As {@link Tensor.dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #binary(operation: BinaryOperation, operand: Tensor | number): Tensor {
    const native = typeof operand === "number" ? operand : operand.#native;
    return new Tensor(addon().operate(operation, this.#native, native));
  }

  #unary(operation: UnaryOperation): Tensor {
    return new Tensor(addon().operate(operation, this.#native));
  }
}
