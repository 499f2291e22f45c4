import type { FeatureList } from "./build-network";
import type { Shape } from "./network";

/** A published architecture; its classes, kernel and input follow from the checkpoint. */
export interface CatalogueEntry {
  readonly name: string;
  /** Other names of the same architecture. */
  readonly aliases: readonly string[];
  readonly features: FeatureList;
  readonly hidden: readonly number[];
}

const A = "A";
const wide = [4096, 4096];
const stem = [64, 64, 64, A] as const;

/** Four residual layers of 64 to 512 channels. */
function residual(...blocks: readonly [number, number, number, number]): FeatureList {
  return [...stem, ...blocks.map((count, i) => ({ channels: 64 * 2 ** i, blocks: count }))];
}

/**
 * The VGG variants of HIRE-SNN and of its relatives DIET-SNN and hybrid-snn-conversion, which give other layers the same
 * names, and DIET-SNN's residual networks. Where two are identical they are one entry.
 */
export const catalogue: readonly CatalogueEntry[] = [
  { name: "VGG4", aliases: [], features: [64, A, 128, A], hidden: [1024] },
  {
    name: "VGG5",
    aliases: ["VGG6", "VGG5 (DIET-SNN)", "VGG5 (hybrid)"],
    features: [64, A, 128, 128, A],
    hidden: wide,
  },
  { name: "VGG9", aliases: [], features: [64, A, 128, 256, A, 256, 512, A, 512, A, 512], hidden: wide },
  { name: "VGG11", aliases: [], features: [64, A, 128, 256, A, 512, 512, 512, A, 512, 512], hidden: wide },
  {
    name: "VGG11 (DIET-SNN)",
    aliases: [],
    features: [64, A, 128, 256, A, 512, 512, A, 512, A, 512, 512],
    hidden: wide,
  },
  {
    name: "VGG11 (hybrid)",
    aliases: [],
    features: [64, A, 128, 256, 256, A, 512, 512, 512, A, 512, 512],
    hidden: [1024, 1024],
  },
  {
    name: "VGG13",
    aliases: [],
    features: [64, 64, A, 128, 128, A, 256, 256, A, 512, 512, 512, A, 512],
    hidden: wide,
  },
  {
    name: "VGG16",
    aliases: [],
    features: [64, 64, A, 128, 128, A, 256, 256, 256, A, 512, 512, 512, A, 512, 512, 512],
    hidden: wide,
  },
  {
    name: "VGG19",
    aliases: [],
    features: [64, 64, A, 128, 128, A, 256, 256, 256, 256, A, 512, 512, 512, 512, A, 512, 512, 512, 512],
    hidden: wide,
  },
  { name: "ResNet12", aliases: [], features: residual(1, 1, 1, 1), hidden: [] },
  { name: "ResNet20", aliases: [], features: residual(2, 2, 2, 2), hidden: [] },
  { name: "ResNet34", aliases: [], features: residual(3, 4, 6, 3), hidden: [] },
];

/**
 * Input shapes of the family's data sets by channels: first CIFAR's and MNIST's, the usual ones; then those of Tiny ImageNet
 * and ImageNet, which are considered only if the usual ones fit no network.
 */
export const usualInputs: readonly Shape[] = [
  [3, 32, 32],
  [1, 28, 28],
];
export const otherInputs: readonly Shape[] = [
  [3, 64, 64],
  [3, 224, 224],
];

/** The entry of that name or alias, in any case and with or without spaces. */
export function findEntry(name: string): CatalogueEntry | undefined {
  const plain = (text: string): string => text.toLowerCase().replaceAll(" ", "");
  return catalogue.find((entry) =>
    [entry.name, ...entry.aliases].some((other) => plain(other) === plain(name)),
  );
}
