import type { StoredTensor } from "../checkpoint/checkpoint";
import { readTorchScriptArchive, type TorchScriptArchive } from "../checkpoint/torchscript-archive";
import { parseMetadata, type TorchScriptMetadata } from "./torchscript-metadata";

/** What a TorchScript archive holds, as plain data. */
export interface ScriptInspection extends Pick<
  TorchScriptArchive,
  "size" | "version" | "mobile" | "code" | "methods" | "operators" | "warnings"
> {
  readonly file: string;
  readonly format: "torchscript";
  readonly tensors: readonly (StoredTensor & { readonly path: string })[];
  readonly metadata: TorchScriptMetadata;
  readonly extraFiles: readonly { readonly name: string; readonly size: number }[];
}

/**
 * Lists what a TorchScript archive holds: its code's size, the operators that the code calls, its tensors and metadata. Nothing of
 * it is run, and libtorch is not needed.
 *
 * @throws HireSnnError CHECKPOINT_* if the file cannot be read; SCRIPT_INVALID for metadata that is not of its form
 */
export function inspectTorchScript(path: string): ScriptInspection {
  const { tensors, extraFiles, path: file, ...archive } = readTorchScriptArchive(path);
  return {
    ...{ file, format: "torchscript", ...archive },
    tensors: [...tensors].map(([tensorPath, tensor]) => ({ path: tensorPath, ...tensor })),
    metadata: parseMetadata(path, extraFiles),
    extraFiles: [...extraFiles].map(([name, bytes]) => ({ name, size: bytes.length })),
  };
}
