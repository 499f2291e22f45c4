import { HireSnnError } from "../errors";
import { buildNetwork } from "./build-network";
import { catalogue, findEntry } from "./catalogue";
import type { Network, Shape } from "./network";
import { looksLikeLayers, parseNetwork } from "./network-text";

/** What a name leaves open. */
export interface NamedNetworkOptions {
  /** @default 10 */
  readonly classes?: number | undefined;
  /** [C, H, W] @default what layers say, else 3x32x32 */
  readonly inputShape?: Shape | undefined;
}

/**
 * A network without its weights, by a name of the catalogue ("VGG11") or by its layers ("8,A,16,16,A/64,10").
 *
 * @throws HireSnnError NETWORK_INVALID if there is none of that name, or it cannot be built, or layers that name their classes come
 *   with other classes
 */
export function namedNetwork(text: string, { classes, inputShape }: NamedNetworkOptions = {}): Network {
  if (looksLikeLayers(text)) {
    const network = parseNetwork(text, inputShape && { inputShape });
    if (classes === undefined || classes === network.classes) return network;
    throw new HireSnnError(
      "NETWORK_INVALID",
      `Expected ${network.classes} classes for the network ${network.name}, whose layers end in them, but received ${classes}`,
    );
  }
  const entry = findEntry(text);
  if (!entry) {
    const names = catalogue.flatMap(({ name, aliases }) => [name, ...aliases]).join(", ");
    throw new HireSnnError(
      "NETWORK_INVALID",
      `Expected one of ${names}, or layers as in "64,A,128,128,A/4096,4096,10", found ${JSON.stringify(text)}.`,
    );
  }
  const { name, features, hidden } = entry;
  return buildNetwork({
    name,
    features,
    hidden,
    classes: classes ?? 10,
    inputShape: inputShape ?? [3, 32, 32],
    kernel: 3,
  });
}
