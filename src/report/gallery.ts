import type { LabelledRun } from "./labels";
import type { Section } from "./report-model";

/** The images that runs kept, clean, perturbation and adversarial side by side. */
export function galleryOf(_runs: readonly LabelledRun[]): Promise<Section | undefined> {
  return Promise.resolve(undefined);
}
