import type { Dataset } from "../datasets/dataset";
import { HireSnnError } from "../errors";
import { catalogue, findEntry } from "../networks/catalogue";
import type { Network } from "../networks/network";
import { looksLikeLayers, parseNetwork } from "../networks/network-text";
import { buildNetwork } from "../networks/build-network";

/**
 * The network that a text names, for the images and classes of a data set.
 *
 * @param text a name of the catalogue, or layers as in "8,A,16,16,A/64,10"
 * @throws HireSnnError NETWORK_INVALID if there is none, or it cannot be built for these images
 */
export function networkToTrain(text: string, dataset: Dataset): Network {
  const classes = dataset.classes.length;
  const inputShape = dataset.imageShape;
  if (looksLikeLayers(text)) {
    const network = parseNetwork(text, { inputShape });
    if (network.classes === classes) return network;
    throw new HireSnnError(
      "NETWORK_INVALID",
      `Expected ${classes} outputs, one for each class of ${dataset.name}, in network ${text}, found ${network.classes}.`,
    );
  }
  const entry = findEntry(text);
  if (entry) {
    const { name, features, hidden } = entry;
    return buildNetwork({ name, features, hidden, classes, inputShape, kernel: 3 });
  }
  const names = catalogue.flatMap((other) => [other.name, ...other.aliases]).join(", ");
  throw new HireSnnError(
    "NETWORK_INVALID",
    `Expected one of ${names}, or layers as in "64,A,128,128,A/4096,4096,10", found ${JSON.stringify(text)}.`,
  );
}
