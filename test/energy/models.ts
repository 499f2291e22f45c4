import type { SpikingModel } from "../../src/energy/activity";
import { catalogue } from "../../src/networks/catalogue";
import { connectionsOf } from "../../src/networks/connections";
import { elementsOf } from "../../src/networks/layer-sizes";
import type { Network } from "../../src/networks/network";
import { buildVgg } from "../../src/networks/vgg";

/** A network of the catalogue for 100 classes of 3x32x32. */
export function vgg(name: string): Network {
  const entry = catalogue.find((each) => each.name === name);
  if (!entry) throw new Error(`no network ${name}`);
  const { features, hidden } = entry;
  return buildVgg({ name, features, hidden, classes: 100, inputShape: [3, 32, 32], kernel: 3 });
}

/** What energies are computed of. */
export function modelOf(network: Network, timesteps: number): SpikingModel {
  return {
    timesteps,
    layers: network.layers.flatMap(({ name, kind, outputShape }) =>
      kind === "output" ? [] : [{ name, kind, neurons: elementsOf(outputShape) }],
    ),
    connections: connectionsOf(network),
  };
}
