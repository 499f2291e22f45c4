import type { Dataset } from "../datasets/dataset";
import { namedNetwork } from "../networks/named-network";
import type { Network } from "../networks/network";

/**
 * The network that a text names, for the images and classes of a data set.
 *
 * @param text a name of the catalogue, or layers as in "8,A,16,16,A/64,10"
 * @throws HireSnnError NETWORK_INVALID if there is none, or it cannot be built for these images and classes
 */
export function networkToTrain(text: string, { classes, imageShape }: Dataset): Network {
  return namedNetwork(text, { classes: classes.length, inputShape: imageShape });
}
