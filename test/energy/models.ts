import { namedNetwork } from "../../src/networks/named-network";
import type { Network } from "../../src/networks/network";

/** A network of the catalogue for 100 classes of 3x32x32. */
export function vgg(name: string): Network {
  return namedNetwork(name, { classes: 100 });
}
