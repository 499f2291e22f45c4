import type { ByteSource } from "./byte-source";
import { endReached } from "./byte-source";
import type { CheckpointForm } from "./checkpoint-form";
import { dtypes, type ElementType } from "./dtypes";
import type { MemoryBudget } from "./memory-budget";
import { PickleDict } from "./pickle-values";
import { parseSafetensorsHeader, refuseHeader, type HeaderTensor } from "./safetensors-header";
import { FileTensor, Storage, UnreadableTensor } from "./stored-tensor";

/** safetensors' names of element types, and torch's. */
export const safetensorsDtypes: ReadonlyMap<string, string> = new Map([
  ["F64", "float64"],
  ["F32", "float32"],
  ["F16", "float16"],
  ["BF16", "bfloat16"],
  ["I64", "int64"],
  ["I32", "int32"],
  ["I16", "int16"],
  ["I8", "int8"],
  ["U8", "uint8"],
  ["BOOL", "bool"],
  ["U16", "uint16"],
  ["U32", "uint32"],
  ["U64", "uint64"],
  ["C64", "complex64"],
  ["F8_E4M3", "float8_e4m3fn"],
  ["F8_E5M2", "float8_e5m2"],
  ["F8_E8M0", "float8_e8m0fnu"],
]);

/** Where the text of key and value pairs stands in the header, and under what it is listed. */
export const SAFETENSORS_METADATA = "__metadata__";

/** What the format's own reader allows. */
const LONGEST_HEADER = 100_000_000;
const LENGTH_SIZE = 8;
const COST_OF_TENSOR = 700;

/** @param head the first bytes of a file, 9 at least if it has as many */
export function startsAsSafetensors(head: Uint8Array): boolean {
  // A length below 2^48, then the opening brace that the format demands.
  return head[8] === 0x7b && head[7] === 0 && head[6] === 0;
}

/**
 * Reads a safetensors file: the length of a header, the header in JSON, the values. It is read as strictly as the format is
 * defined: known keys only and each once, and the values of all tensors fill the rest of the file without gaps or overlaps.
 *
 * @throws HireSnnError CHECKPOINT_CORRUPT with the offset; CHECKPOINT_FORMAT for an element type that is not known here
 */
export function readSafetensorsForm(source: ByteSource, budget: MemoryBudget): CheckpointForm {
  const length = headerLength(source);
  const header = new Uint8Array(length);
  source.readInto(header, LENGTH_SIZE);
  const { tensors, metadata } = parseSafetensorsHeader(source.name, header, LENGTH_SIZE, (bytes, at) => {
    if (!budget.take(bytes)) throw refuseHeader(source.name, at, "fewer entries in a header of its length");
  });
  const start = LENGTH_SIZE + length;
  checkPlaces(source, start, tensors);

  const value = new PickleDict();
  for (const tensor of tensors) {
    if (!budget.take(COST_OF_TENSOR + 16 * tensor.shape.length))
      throw refuseHeader(source.name, tensor.at, "fewer tensors in a header of its length");
    value.set(tensor.name, locate(source, start, tensor));
  }
  if (metadata) {
    const texts = new PickleDict();
    for (const [key, text] of metadata) texts.set(key, text);
    value.set(SAFETENSORS_METADATA, texts);
  }
  return { format: "safetensors", value, opaqueGlobals: [], warnings: [] };
}

function headerLength(source: ByteSource): number {
  const block = new Uint8Array(LENGTH_SIZE);
  source.readInto(block, 0);
  const length = Number(new DataView(block.buffer).getBigUint64(0, true));
  if (length > LONGEST_HEADER)
    throw refuseHeader(source.name, 0, `a header of at most ${LONGEST_HEADER} bytes, found ${length}`);
  if (LENGTH_SIZE + length > source.size) throw endReached(source.name, LENGTH_SIZE, length, source.size);
  return length;
}

/** The values stand one behind the other and end with the file: nothing is hidden, nothing shared. */
function checkPlaces(source: ByteSource, start: number, tensors: readonly HeaderTensor[]): void {
  const inOrder = [...tensors].sort((a, b) => a.begin - b.begin || a.end - b.end);
  let next = 0;
  for (const { name, at, begin, end } of inOrder) {
    if (begin !== next) {
      throw refuseHeader(
        source.name,
        at,
        `values without gaps or overlaps, found those of ${JSON.stringify(name)} from ${begin} on instead of ${next}`,
      );
    }
    next = end;
  }
  const left = source.size - start;
  if (next > left) throw endReached(source.name, start, next, source.size);
  if (next < left)
    throw refuseHeader(source.name, start + next, `the end of the file, found ${left - next} more bytes`);
}

function locate(source: ByteSource, start: number, tensor: HeaderTensor): FileTensor | UnreadableTensor {
  const { name, at, shape, begin, end } = tensor;
  const type = elementType(source, tensor);
  const length = shape.reduce((product, size) => product * size, 1);
  if (length * type.size !== end - begin) {
    throw refuseHeader(
      source.name,
      at,
      `${length} values of ${type.name} for ${JSON.stringify(name)} of shape [${shape.join(", ")}], found ${end - begin} bytes`,
    );
  }
  if (type.dtype === undefined) return new UnreadableTensor(`a tensor of ${type.name}`, shape);
  const storage = new Storage(name, type, length, "cpu");
  storage.position = start + begin;
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
  return new FileTensor(storage, { ...type, dtype: type.dtype }, 0, shape, strides, length, length);
}

function elementType(source: ByteSource, { dtype, at }: HeaderTensor): ElementType {
  const type = dtypes.get(`torch.${safetensorsDtypes.get(dtype) ?? ""}`);
  if (type) return type;
  throw refuseHeader(
    source.name,
    at,
    `a known element type, found ${JSON.stringify(dtype)}`,
    "CHECKPOINT_FORMAT",
  );
}
