import type { Classifier, InputGradient } from "../../src/classifiers/classifier";
import { crossEntropy, evaluateLoss, type Loss } from "../../src/classifiers/loss";
import { Tensor } from "../../src/tensor/tensor";

/** A model of one image in double precision: logits, and how a gradient by the logits becomes one by the pixels. */
export type Model = (image: Float64Array) => {
  logits: number[];
  backward: (byLogits: Float64Array) => number[];
};

/** A {@link Classifier} in plain JavaScript, which computes in double precision and answers in the dtype of the images. */
export class PlainClassifier implements Classifier {
  readonly name = "plain";
  readonly device = "cpu";
  /** Images that a gradient was asked for. */
  gradients = 0;

  constructor(
    readonly classes: number,
    readonly inputShape: readonly [number, number, number],
    private readonly model: Model,
  ) {}

  async logits(images: Tensor): Promise<Tensor> {
    const loss = crossEntropy(new Int32Array(images.shape[0] as number));
    const { gradient, losses, logits } = await this.inputGradient(images, loss);
    this.gradients -= loss.labels.length;
    gradient.dispose();
    losses.dispose();
    return logits;
  }

  async inputGradient(
    images: Tensor,
    loss: Loss,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<InputGradient> {
    options.signal?.throwIfAborted();
    const data = Float64Array.from(await images.data());
    const samples = loss.labels.length;
    const size = data.length / samples;
    const runs = Array.from({ length: samples }, (_, i) =>
      this.model(data.subarray(i * size, (i + 1) * size)),
    );
    const logits = Float64Array.from(runs.flatMap((run) => run.logits));
    const { losses, gradient } = evaluateLoss(loss, logits, this.classes);
    const byPixels = runs.flatMap((run, i) =>
      run.backward(gradient.subarray(i * this.classes, (i + 1) * this.classes)),
    );
    this.gradients += samples;
    const answer = (values: ArrayLike<number>, shape: readonly number[]): Tensor =>
      Tensor.from(images.dtype === "float64" ? Float64Array.from(values) : Float32Array.from(values), shape);
    return {
      gradient: answer(byPixels, images.shape),
      losses: answer(losses, [samples]),
      logits: answer(logits, [samples, this.classes]),
    };
  }

  [Symbol.dispose](): void {
    // Nothing outside JavaScript's heap.
  }
}

/** logits = weights * image: the worst case within a radius is known in closed form. */
export function linearModel(weights: readonly (readonly number[])[]): Model {
  return (image) => ({
    logits: weights.map((row) => row.reduce((sum, weight, d) => sum + weight * (image[d] as number), 0)),
    backward: (byLogits) =>
      Array.from(image, (_, d) =>
        weights.reduce((sum, row, j) => sum + (row[d] as number) * (byLogits[j] as number), 0),
      ),
  });
}

/** The model of the golden attack vectors: tanh(x W1^T + b1) W2^T, with weights from formulas. */
export const goldenClassifier = (): PlainClassifier => {
  const [hidden, classes, inputs] = [10, 6, 48];
  const grid = (rows: number, columns: number, value: (i: number, j: number) => number): number[][] =>
    Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => value(i, j)));
  const w1 = grid(hidden, inputs, (i, j) => 0.6 * Math.sin(1 + 0.7 * i + 1.3 * j + 0.05 * i * j));
  const b1 = Array.from({ length: hidden }, (_, i) => 0.1 * Math.cos(0.5 * i));
  const w2 = grid(classes, hidden, (i, j) => 1.5 * Math.cos(2 + 1.1 * i - 0.9 * j + 0.07 * i * j));
  const dot = (row: readonly number[], vector: ArrayLike<number>): number =>
    row.reduce((sum, weight, d) => sum + weight * (vector[d] as number), 0);
  return new PlainClassifier(classes, [3, 4, 4], (image) => {
    const activations = w1.map((row, i) => Math.tanh(dot(row, image) + (b1[i] as number)));
    return {
      logits: w2.map((row) => dot(row, activations)),
      backward: (byLogits) => {
        const byHidden = activations.map(
          (a, h) =>
            (1 - a * a) * w2.reduce((sum, row, k) => sum + (row[h] as number) * (byLogits[k] as number), 0),
        );
        return Array.from({ length: inputs }, (_, d) =>
          w1.reduce((sum, row, h) => sum + (row[d] as number) * (byHidden[h] as number), 0),
        );
      },
    };
  });
};

/** The images of the golden attack vectors, [6, 3, 4, 4] in float64. */
export function goldenImages(): Tensor {
  const values = Float64Array.from({ length: 6 * 48 }, (_, i) => {
    const [n, d] = [Math.floor(i / 48), i % 48];
    return 0.5 + 0.45 * Math.sin(0.9 * n + 0.37 * d + 0.1);
  });
  return Tensor.from(values, [6, 3, 4, 4]);
}
