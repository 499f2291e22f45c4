import { join } from "node:path";
import { fgsmAttack } from "../../src/attacks/fgsm";
import { pgdAttack } from "../../src/attacks/pgd";
import type { InputGradient } from "../../src/classifiers/classifier";
import { loadClassifier } from "../../src/classifiers/load-classifier";
import { crossEntropy } from "../../src/classifiers/loss";
import { openDataset } from "../../src/datasets/open-dataset";
import { evaluate } from "../../src/evaluation/evaluate";
import { SharedFirstPass } from "../../src/evaluation/shared-first-pass";
import { Tensor } from "../../src/tensor/tensor";
import { demo } from "../cli/run-cli";

async function demoBatch() {
  const dataset = await openDataset("shapes", { data: demo });
  const { mean, std } = dataset;
  const classifier = await loadClassifier(join(demo, "target.pt"), { mean, std });
  const { images, labels } = await dataset.read(0, 4);
  return { dataset, classifier, labels, images: Tensor.from(images, [4, ...dataset.imageShape]) };
}

const numbersOf = async ({ gradient, losses, logits }: InputGradient) =>
  await Promise.all([gradient, losses, logits].map(async (tensor) => tensor.data()));

test("one pass stands for the gradients at the images and for the clean pass, bit for bit", async () => {
  const { dataset, classifier, labels, images } = await demoBatch();
  const alone = await numbersOf(await classifier.inputGradient(images, crossEntropy(labels)));
  const { logits, spikes } = await classifier.logitsAndSpikes(images);
  const asked = jest.spyOn(classifier, "inputGradient");

  const shared = new SharedFirstPass(classifier, images);
  expect(shared.clean).toBeUndefined();
  for (let attack = 0; attack < 2; attack++) {
    const result = await shared.inputGradient(images, crossEntropy(labels));
    expect(await numbersOf(result)).toEqual(alone);
    for (const tensor of [result.gradient, result.losses, result.logits]) tensor.dispose();
  }
  expect(asked).toHaveBeenCalledTimes(1);
  expect(await shared.clean?.logits.data()).toEqual(await logits.data());
  expect(shared.clean?.spikes).toEqual(spikes);

  // Other images and other labels are computed.
  using others = images.rows(0, 4);
  await shared.inputGradient(others, crossEntropy(labels));
  const swapped = await numbersOf(await shared.inputGradient(images, crossEntropy([...labels].reverse())));
  expect(swapped[0]).not.toEqual(alone[0]);
  expect(asked).toHaveBeenCalledTimes(3);
  shared[Symbol.dispose]();
  expect(shared.clean).toBeUndefined();
  classifier.dispose();
  await dataset.close();
});

test("an evaluation with FGSM makes no clean pass of its own, and its rows are those of one without", async () => {
  const { dataset, classifier } = await demoBatch();
  const passes = jest.spyOn(classifier, "logitsAndSpikes");
  const options = { target: classifier, dataset, samples: 4, seed: 0 };
  const pgd = pgdAttack({ epsilon: 0.1, steps: 2, stepSize: 0.05 });
  const without = await evaluate({ ...options, attacks: [pgd] });
  expect(passes).toHaveBeenCalledTimes(3); // the gradient's probe, the clean images, and PGD's
  const withFgsm = await evaluate({ ...options, attacks: [fgsmAttack({ epsilon: 0.1 }), pgd] });
  expect(passes).toHaveBeenCalledTimes(6); // the probe, FGSM's and PGD's
  expect([withFgsm.results[0], withFgsm.results[2]]).toEqual(without.results);
  classifier.dispose();
  await dataset.close();
});
