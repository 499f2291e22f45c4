// A consumer in strict TypeScript, compiled to ESM: types from every part of the public interface, and `using`.
import {
  demo,
  evaluate,
  fgsmAttack,
  HireSnnError,
  hirePreset,
  loadClassifier,
  openDataset,
  type Attack,
  type Classifier,
  type Dataset,
  type Evaluation,
  type Result,
} from "hire-snn";

const dataset: Dataset = await openDataset("shapes", { data: demo.data });
using target = await loadClassifier(demo.target, dataset);
using source = await loadClassifier(demo.source, dataset);
const classifier: Classifier = target;
const attacks: readonly Attack[] = hirePreset();
const evaluation: Evaluation = await evaluate({
  target: classifier,
  source,
  dataset,
  attacks,
  samples: 64,
  seed: 0,
  onProgress: ({ samplesDone, samples }) => void (samplesDone / samples),
});
await dataset.close();

try {
  fgsmAttack({ epsilon: -1 });
} catch (error) {
  if (!(error instanceof HireSnnError) || error.code !== "INVALID_ARGUMENT") throw error;
}
// @ts-expect-error -- an attack without its radius means nothing
const incomplete: () => Attack = () => fgsmAttack({});
void incomplete;

const results: readonly Result[] = evaluation.results;
console.log(JSON.stringify(results));
