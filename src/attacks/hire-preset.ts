import type { Attack } from "./attack";
import { fgsmAttack } from "./fgsm";
import { pgdAttack } from "./pgd";

/** What has to be said wherever figures of the preset are shown. */
export const hirePresetNote = "for comparison with the paper, not a robustness claim";

/**
 * The attacks of the original HIRE-SNN test scripts with their figures: FGSM with epsilon 0.031, and PGD with seven steps of 0.01
 * within 0.031. They are there {@link hirePresetNote}: few steps, one start, one surrogate gradient.
 */
export function hirePreset(): Attack[] {
  return [fgsmAttack({ epsilon: 0.031 }), pgdAttack({ epsilon: 0.031, steps: 7, stepSize: 0.01 })];
}
