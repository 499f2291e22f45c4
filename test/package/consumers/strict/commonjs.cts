// A consumer in strict TypeScript, compiled to CommonJS.
import hireSnn = require("hire-snn");

async function figures(): Promise<readonly hireSnn.Result[]> {
  const { demo } = hireSnn;
  const dataset = await hireSnn.openDataset("shapes", { data: demo.data });
  using target = await hireSnn.loadClassifier(demo.target, dataset);
  using source = await hireSnn.loadClassifier(demo.source, dataset);
  const { results } = await hireSnn.evaluate({
    target,
    source,
    dataset,
    attacks: "hire",
    samples: 64,
    seed: 0,
  });
  await dataset.close();
  return results;
}

void figures().then((results) => console.log(JSON.stringify(results)));
