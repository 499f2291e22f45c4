import type { CheckpointFormat } from "./checkpoint";
import type { PickleValue } from "./pickle-values";

/** What reading the pickles or header of a form gives: the object, with every storage of its tensors located in the file. */
export interface CheckpointForm {
  readonly format: CheckpointFormat;
  readonly value: PickleValue;
  readonly opaqueGlobals: readonly string[];
  readonly warnings: readonly string[];
}
