import type { PublishedName } from "./catalogue";

/** Per channel, in pixel units: what networks trained on the published sets subtract, and divide by. */
export const publishedStatistics: Readonly<
  Record<PublishedName, { readonly mean: readonly number[]; readonly std: readonly number[] }>
> = {
  cifar10: { mean: [0.4914, 0.4822, 0.4465], std: [0.2023, 0.1994, 0.201] },
  cifar100: { mean: [0.5071, 0.4867, 0.4408], std: [0.2675, 0.2565, 0.2761] },
  mnist: { mean: [0.1307], std: [0.3081] },
};
