import { HireSnnError } from "../errors";
import type { CheckpointFormat } from "./checkpoint";
import { OutputFile } from "./output-file";
import type { WritableValue } from "./writable";
import { writeLegacyForm } from "./write-legacy";
import { writeSafetensorsForm } from "./write-safetensors";
import { writeZipForm } from "./write-zip";

/**
 * Writes a checkpoint. "legacy", the default, is the stream that every PyTorch reads; "zip" the archive of PyTorch 1.6 and
 * later; "safetensors" holds a Map of tensors alone.
 *
 * @example
 * const weight = new TensorToWrite("float32", [2, 3], () => values);
 * writeCheckpoint("net.pt", new Map([["epoch", 3], ["state_dict", new OrderedMap([["fc.weight", weight]])]]));
 *
 * @returns the file's length in bytes
 * @throws HireSnnError INVALID_ARGUMENT for what the form cannot hold; IO. Nothing is written then, and a file that was there
 *   stays as it was.
 */
export function writeCheckpoint(
  path: string,
  value: WritableValue,
  options: { format?: CheckpointFormat | undefined } = {},
): number {
  return OutputFile.write(path, (file) => {
    switch (options.format ?? "legacy") {
      case "legacy":
        writeLegacyForm(file, value);
        return;
      case "zip":
        writeZipForm(file, value);
        return;
      case "safetensors":
        if (!(value instanceof Map)) {
          throw new HireSnnError("INVALID_ARGUMENT", "Expected a Map of tensors for a safetensors file.");
        }
        writeSafetensorsForm(file, value as ReadonlyMap<string | number, WritableValue>);
        return;
    }
  });
}
