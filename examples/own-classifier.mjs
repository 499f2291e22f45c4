// Attacks a classifier of one's own, written in plain JavaScript: anything with logits and an input gradient will do.
//
//   node examples/own-classifier.mjs
//
// This one is linear, so that the worst case is known: within epsilon, the margin between two classes falls by exactly
// epsilon times the 1-norm of the difference of their weights (as long as no pixel meets 0 or 1).
import { crossEntropy, evaluateLoss, fgsm, Tensor } from "hire-snn";

const weights = [
  [1, -2, 0.5, 0],
  [-1, 1, 0.25, 0.75],
];

const linear = {
  name: "linear",
  classes: 2,
  inputShape: [1, 2, 2],
  device: "cpu",

  async logits(images) {
    const { gradient, losses, logits } = await this.inputGradient(
      images,
      crossEntropy(new Int32Array(images.shape[0])),
    );
    gradient.dispose();
    losses.dispose();
    return logits;
  },

  async inputGradient(images, loss) {
    const pixels = await images.data();
    const samples = images.shape[0];
    const logits = Float64Array.from({ length: samples * 2 }, (_, i) =>
      weights[i % 2].reduce((sum, weight, d) => sum + weight * pixels[Math.floor(i / 2) * 4 + d], 0),
    );
    // The loss is data: evaluateLoss gives its values and its gradient by the logits; the rest is the chain rule.
    const { losses, gradient } = evaluateLoss(loss, logits, 2);
    const byPixels = Float64Array.from({ length: samples * 4 }, (_, i) => {
      const sample = Math.floor(i / 4);
      return weights.reduce((sum, row, j) => sum + row[i % 4] * gradient[sample * 2 + j], 0);
    });
    return {
      gradient: Tensor.from(byPixels, images.shape),
      losses: Tensor.from(losses, [samples]),
      logits: Tensor.from(logits, [samples, 2]),
    };
  },

  [Symbol.dispose]() {},
};

const margin = (pixels) => pixels.reduce((sum, pixel, d) => sum + (weights[0][d] - weights[1][d]) * pixel, 0);

const image = Float64Array.of(0.9, 0.2, 0.4, 0.3);
const images = Tensor.from(image, [1, 1, 2, 2]);
const { images: adversarial } = await fgsm(linear, images, [0], { epsilon: 0.05 });

const fallen = margin(image) - margin(await adversarial.data());
const expected = 0.05 * weights[0].reduce((sum, weight, d) => sum + Math.abs(weight - weights[1][d]), 0);
console.log(`The margin fell by ${fallen.toFixed(6)}; the closed form says ${expected.toFixed(6)}.`);

images.dispose();
adversarial.dispose();
