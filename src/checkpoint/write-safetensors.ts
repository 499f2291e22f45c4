import { HireSnnError } from "../errors";
import type { OutputFile } from "./output-file";
import { SAFETENSORS_METADATA, safetensorsDtypes } from "./safetensors-form";
import { TensorToWrite, type WritableValue } from "./writable";

const ALIGNMENT = 8;
const names = new Map([...safetensorsDtypes].map(([name, dtype]) => [dtype, name]));

/**
 * Writes a safetensors file. Tied weights are written as often as they are named: the format shares nothing.
 *
 * @param tensors by name; a Map of texts under "__metadata__" becomes the file's metadata
 * @throws HireSnnError INVALID_ARGUMENT for anything that is no tensor
 */
export function writeSafetensorsForm(
  file: OutputFile,
  tensors: ReadonlyMap<string | number, WritableValue>,
): void {
  // "format" tells other readers which library's conventions the names follow.
  const header: [string, unknown][] = [[SAFETENSORS_METADATA, metadataOf(tensors)]];
  const ordered: TensorToWrite[] = [];
  let end = 0;
  for (const [key, tensor] of tensors) {
    if (key === SAFETENSORS_METADATA) continue;
    if (!(tensor instanceof TensorToWrite)) {
      throw new HireSnnError(
        "INVALID_ARGUMENT",
        `Expected tensors alone for a safetensors file, found another value under ${JSON.stringify(key)}.`,
      );
    }
    const begin = end;
    end += tensor.byteLength;
    ordered.push(tensor);
    header.push([
      String(key),
      { dtype: names.get(tensor.dtype), shape: tensor.shape, data_offsets: [begin, end] },
    ]);
  }
  // Not by way of an object, whose keys would be put in an order of their own where they look like numbers.
  const text = `{${header.map(([key, entry]) => `${JSON.stringify(key)}:${JSON.stringify(entry)}`).join(",")}}`;
  const bytes = Buffer.from(text);
  const padded = Buffer.alloc(Math.ceil(bytes.length / ALIGNMENT) * ALIGNMENT, " ");
  bytes.copy(padded);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  file.append(length);
  file.append(padded);
  for (const tensor of ordered) file.append(tensor.bytes());
}

function metadataOf(tensors: ReadonlyMap<string | number, WritableValue>): Record<string, string> {
  const metadata = new Map<string, string>([["format", "pt"]]);
  const given = tensors.get(SAFETENSORS_METADATA);
  if (given instanceof Map) {
    for (const [key, text] of given as ReadonlyMap<string | number, WritableValue>) {
      if (typeof text === "string") metadata.set(String(key), text);
    }
  }
  return Object.fromEntries(metadata);
}
