// Attacks a few images and shows what the network says of them before and after, and how many spikes that takes.
//
//   node examples/attack-images.mjs
import { demo, loadClassifier, openDataset, pgd, Tensor } from "hire-snn";

const dataset = await openDataset("shapes", { data: demo.data });
const classifier = await loadClassifier(demo.target, dataset);

const { images: pixels, labels } = await dataset.read(0, 8); // Float32Array with pixels from 0 to 1
const images = Tensor.from(pixels, [labels.length, ...dataset.imageShape]);

const { images: adversarial, zeroGradientSteps } = await pgd(classifier, images, labels, {
  epsilon: 8 / 255,
  steps: 10,
  stepSize: 2 / 255,
  seed: 0, // the random start of a sample depends on the seed and the sample alone
  signal: AbortSignal.timeout(60_000), // any AbortSignal stops the work within one layer
});

// One forward pass gives the logits and the spikes of every layer and time step.
async function look(batch) {
  const { logits, spikes } = await classifier.logitsAndSpikes(batch);
  const scores = await logits.data();
  logits.dispose();
  const perImage = spikes.counts.length / labels.length;
  return Array.from(labels, (_, i) => {
    const own = scores.slice(i * classifier.classes, (i + 1) * classifier.classes);
    const counts = spikes.counts.subarray(i * perImage, (i + 1) * perImage);
    return {
      said: dataset.classes[own.indexOf(Math.max(...own))],
      spikes: counts.reduce((a, b) => a + b, 0),
    };
  });
}

const before = await look(images);
const after = await look(adversarial);
for (const [i, label] of labels.entries()) {
  const { said, spikes } = before[i];
  // A gradient of exactly zero cannot attack: such an image says nothing about robustness.
  const silent = zeroGradientSteps[i] > 0 ? `, no gradient at ${zeroGradientSteps[i]} steps` : "";
  console.log(
    `${dataset.classes[label]}: ${said} (${spikes} spikes) -> ${after[i].said} (${after[i].spikes})${silent}`,
  );
}

for (const resource of [images, adversarial, classifier]) resource.dispose();
await dataset.close();
