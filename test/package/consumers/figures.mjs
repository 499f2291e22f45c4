// A consumer in ESM, by named imports.
import { demo, evaluate, loadClassifier, openDataset } from "hire-snn";

const dataset = await openDataset("shapes", { data: demo.data });
const target = await loadClassifier(demo.target, dataset);
const source = await loadClassifier(demo.source, dataset);
const { results } = await evaluate({ target, source, dataset, attacks: "hire", samples: 64, seed: 0 });
for (const resource of [target, source]) resource.dispose();
await dataset.close();
console.log(JSON.stringify(results));
