import { checkNetwork, type Feature } from "./feature-layers";
import type { Network, Shape } from "./network";
import { buildResNet, type ResidualLayer } from "./resnet";
import { buildVgg } from "./vgg";

/** The layers in front of the linear ones: convolutions, pools, and behind them residual layers, if there are any. */
export type FeatureList = readonly (Feature | ResidualLayer)[];

export interface NetworkDescription {
  readonly name: string;
  readonly features: FeatureList;
  /** Widths of the hidden linear layers; a residual network has none. */
  readonly hidden: readonly number[];
  readonly classes: number;
  /** [C, H, W] */
  readonly inputShape: Shape;
  /** Side of every convolution's kernel; odd. */
  readonly kernel: number;
}

/**
 * Builds the VGG network, or with residual layers the ResNet, of a description.
 *
 * @throws HireSnnError NETWORK_INVALID if the description cannot be built, with the reason
 */
export function buildNetwork(description: NetworkDescription): Network {
  const { features, hidden, ...common } = description;
  const start = features.findIndex(isResidual);
  const stem = (start < 0 ? features : features.slice(0, start)) as Feature[];
  if (start < 0) return buildVgg({ ...common, features: stem, hidden });
  const residual = features.slice(start).filter(isResidual);
  checkNetwork(
    common.name,
    "residual layers behind all convolutions and pools",
    stem.length + residual.length === features.length,
  );
  checkNetwork(common.name, "no hidden linear layers behind residual ones", hidden.length === 0);
  return buildResNet({ ...common, stem, residual });
}

function isResidual(feature: Feature | ResidualLayer): feature is ResidualLayer {
  return typeof feature === "object";
}
