// Evaluates a pair of checkpoints, white box and black box, and keeps the run in a folder.
//
//   node examples/evaluate-pair.mjs [run folder]
//
// The pair and its images are the demo's; for CIFAR, name your own checkpoints and openDataset("cifar10").
import { demo, evaluate, fgsmAttack, loadClassifier, openDataset, pgdAttack } from "hire-snn";

const dataset = await openDataset("shapes", { data: demo.data });

// A classifier normalises by itself: it takes the statistics of the set that it was trained on.
const target = await loadClassifier(demo.target, dataset);
const source = await loadClassifier(demo.source, dataset);

// Radii and steps are in pixel units. The library has no defaults for them: a figure means nothing without its epsilon.
const epsilon = 8 / 255;
const attacks = [fgsmAttack({ epsilon }), pgdAttack({ epsilon, steps: 10, stepSize: 2 / 255 })];

const { results, warnings } = await evaluate({
  target,
  source, // with a source, its adversarial images are also shown to the target: black box
  dataset,
  attacks,
  samples: 64,
  seed: 0,
  out: process.argv[2], // configuration, ledger and results; leave it out for the figures alone
  onProgress: ({ samplesDone, samples }) => process.stderr.write(`\r${samplesDone} of ${samples} images`),
});
process.stderr.write("\n");

for (const { attack, access, top1, interval } of results) {
  const [low, high] = interval.map((bound) => (100 * bound).toFixed(1));
  console.log(
    `${attack.padEnd(6)} ${access.padEnd(6)} ${(100 * top1).toFixed(1)} % (95 %: ${low} to ${high})`,
  );
}
for (const { message } of warnings) console.log(`Warning: ${message}`);

// Weights and files live outside JavaScript's heap: give them back.
target.dispose();
source.dispose();
await dataset.close();
