// A consumer in CommonJS. Prints the figures of the demo's pair, as the other consumers do.
const { demo, evaluate, loadClassifier, openDataset } = require("hire-snn");

async function main() {
  const dataset = await openDataset("shapes", { data: demo.data });
  const target = await loadClassifier(demo.target, dataset);
  const source = await loadClassifier(demo.source, dataset);
  const { results } = await evaluate({ target, source, dataset, attacks: "hire", samples: 64, seed: 0 });
  for (const resource of [target, source]) resource.dispose();
  await dataset.close();
  console.log(JSON.stringify(results));
}

main();
