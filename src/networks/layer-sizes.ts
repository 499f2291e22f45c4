import type { Layer, Network, Shape } from "./network";

export function elementsOf(shape: Shape): number {
  return shape[0] * shape[1] * shape[2];
}

/** Shape of a layer's weight tensor: [C_out, C_in, k, k] or [out, in]; undefined for a pool. */
export function weightShape(layer: Layer): readonly number[] | undefined {
  switch (layer.kind) {
    case "conv":
      return [layer.outputShape[0], layer.inputShape[0], layer.kernel, layer.kernel];
    case "linear":
    case "output":
      return [layer.outputShape[0], elementsOf(layer.inputShape)];
    case "average-pool":
      return undefined;
  }
}

/** Shape of the weight tensor of a shortcut into a layer, [C_out, C_in, 1, 1]; undefined if there is none. */
export function shortcutWeightShape(layer: Layer): readonly number[] | undefined {
  if (layer.kind !== "conv" || !layer.shortcut?.keys) return undefined;
  return [layer.outputShape[0], layer.shortcut.inputShape[0], 1, 1];
}

/**
 * Multiply-accumulates of one image and time step: k * k * H * W * C_out * C_in for a convolution, that of a shortcut into it included,
 * in * out for a linear layer. Pools and shortcuts without weights count none.
 */
export function macsOfLayer(layer: Layer): number {
  const weights = [weightShape(layer), shortcutWeightShape(layer)].reduce(
    (sum, shape) => sum + (shape?.reduce((product, size) => product * size, 1) ?? 0),
    0,
  );
  return weights * layer.outputShape[1] * layer.outputShape[2];
}

/** The sum of {@link macsOfLayer} over all layers. */
export function macsPerTimestep(network: Network): number {
  return network.layers.reduce((sum, layer) => sum + macsOfLayer(layer), 0);
}
