import { isTorchScript } from "../checkpoint/torchscript-archive";
import { HireSnnError } from "../errors";
import { loadClassifier, type LoadOptions } from "./load-classifier";
import { loadTorchScript, type ImageDescription, type TorchScriptOptions } from "./load-torchscript";
import type { NetworkClassifier } from "./network-classifier";
import type { TorchScriptClassifier } from "./torchscript-classifier";

/** What is said of a model whose file may be a checkpoint or a TorchScript program: what is for the other kind alone is left aside. */
export interface ModelOptions extends LoadOptions, Omit<TorchScriptOptions, keyof LoadOptions | "classes"> {
  /**
   * The data set that it is run on, which says what neither these options nor a program's metadata say: mean and std above all. They
   * take the place of those in a checkpoint's network file.
   */
  readonly dataset?: ImageDescription | undefined;
}

/**
 * Loads a model from a file, whose content says which kind it is: a checkpoint, as {@link loadClassifier} does, or a TorchScript
 * program, as {@link loadTorchScript} does. **A program's code runs.**
 *
 * @throws HireSnnError INVALID_ARGUMENT for what a program cannot be asked for; what the two throw
 */
export async function loadModel(
  path: string,
  options: ModelOptions = {},
): Promise<NetworkClassifier | TorchScriptClassifier> {
  if (isTorchScript(path)) {
    refuseNetworkOptions(path, options);
    // The options may be a data set, whose classes are names; a program's number is learnt by running it.
    return await loadTorchScript(path, { ...options, classes: undefined });
  }
  // A data set's own statistics are those of direct coding.
  const usual = options.coding === "rate" ? undefined : options.dataset;
  return await loadClassifier(path, {
    ...options,
    mean: options.mean ?? usual?.mean,
    std: options.std ?? usual?.std,
  });
}

function refuseNetworkOptions(path: string, { tf32, coding }: ModelOptions): void {
  if (tf32) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected tf32 (--tf32) with checkpoints alone but received it with the TorchScript program ${path}: programs of float32 compute in ` +
        "float32",
    );
  }
  if (coding === "rate") {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected the coding direct (--coding direct; in a study's file the model's own) for the TorchScript program ${path} but received ` +
        "rate: a program codes its input itself",
    );
  }
}
