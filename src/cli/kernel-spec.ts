import type { KernelOptions } from "../classifiers/spiking-classifier";
import { HireSnnError } from "../errors";
import { suggest } from "./suggest";

/** Words of the command line, and what each chooses. */
const words: Readonly<Record<string, KernelOptions>> = {
  plain: { engine: "plain" },
  multistep: { engine: "multistep" },
  baseline: { instructionSet: "baseline" },
  avx2: { instructionSet: "avx2" },
  avx512: { instructionSet: "avx512" },
  amx: { instructionSet: "amx" },
  "forward=levels": { forward: "levels" },
  "forward=events": { forward: "events" },
  "backward=digits": { backward: "digits" },
  "backward=products": { backward: "products" },
  "backward=winograd": { backward: "winograd" },
};

export const kernelWords = Object.keys(words);

/**
 * Kernels as the command line names them: words separated by commas, for instance `multistep,avx2,forward=events`.
 *
 * @throws HireSnnError INVALID_ARGUMENT for an unknown word, with what was probably meant, and for two that exclude each other
 */
export function parseKernels(text: string): KernelOptions {
  let options: KernelOptions = {};
  for (const word of text.split(",").map((part) => part.trim())) {
    const choice = Object.hasOwn(words, word) ? words[word] : undefined;
    if (!choice) {
      const meant = suggest(word, kernelWords);
      throw new HireSnnError(
        "INVALID_ARGUMENT",
        `Expected words of ${kernelWords.join(", ")} for --kernels but received "${word}"` +
          (meant === undefined ? "" : `; did you mean ${meant}?`),
      );
    }
    const [key] = Object.keys(choice) as (keyof KernelOptions)[];
    if (key !== undefined && options[key] !== undefined) {
      throw new HireSnnError(
        "INVALID_ARGUMENT",
        `Expected one choice of ${key} for --kernels but received two in "${text}"`,
      );
    }
    options = { ...options, ...choice };
  }
  return options;
}
