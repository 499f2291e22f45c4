import { HireSnnError } from "../errors";
import type { ByteSource } from "./byte-source";
import type { StoredDtype, StoredValues } from "./checkpoint";
import { crc32, requireCrc32 } from "./crc32";
import { float32FromBfloat16, float32FromFloat16 } from "./half-precision";
import type { FileTensor } from "./stored-tensor";

const arrayTypes = {
  float64: Float64Array,
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const satisfies Record<StoredDtype, unknown>;

/** The class of the arrays that hold the values of a type. */
export function valuesArray(dtype: StoredDtype): (typeof arrayTypes)[StoredDtype] {
  return arrayTypes[dtype];
}

/**
 * Reads a tensor's values in row-major order into a new array: straight from the file where they lie so, else gathered
 * from the stretch of the file that the tensor spans.
 *
 * @param limit bytes of memory that this may take
 * @throws HireSnnError CHECKPOINT_CORRUPT if the tensor claims far more values than the file has, or if they contradict
 *   the file's checksum
 */
export function readTensor(source: ByteSource, tensor: FileTensor, limit: number): StoredValues {
  const bytes = tensor.length * tensor.elementSize;
  // Views can repeat what they show at no cost in the file.
  const needed = bytes + (tensor.contiguous ? 0 : tensor.span * tensor.elementSize);
  if (needed > limit) {
    throw new HireSnnError(
      "CHECKPOINT_CORRUPT",
      `${source.name} is refused: a tensor of shape [${tensor.shape.join(", ")}] would take ${bytes} bytes of memory, ` +
        `out of a file of ${source.size}.`,
    );
  }
  const ArrayType = arrayTypes[tensor.dtype];
  const values = new ArrayType(tensor.length);
  if (tensor.length === 0) return values;
  if (tensor.contiguous) {
    fill(source, tensor, values);
  } else {
    const span = new ArrayType(tensor.span);
    fill(source, tensor, span);
    gather(values, span, tensor);
  }
  if (tensor.dtype === "bool" && (values as Uint8Array).some((value) => value > 1)) {
    throw new HireSnnError(
      "CHECKPOINT_CORRUPT",
      `${source.name} is corrupt: a bool tensor holds values other than 0 and 1.`,
    );
  }
  return values;
}

function fill(source: ByteSource, tensor: FileTensor, target: StoredValues): void {
  const { storage } = tensor;
  if (storage.position === undefined) throw new TypeError("The storage has not been located.");
  const bytes = new Uint8Array(target.buffer);
  source.readInto(bytes, storage.position + tensor.byteOffset);
  // A checksum covers a whole storage; a part of one is taken as it is.
  if (storage.crc32 === undefined || bytes.length !== storage.byteLength) return;
  const what = `storage ${JSON.stringify(storage.key)}`;
  requireCrc32(source.name, what, storage.position, crc32(bytes), storage.crc32);
}

/** Row-major order: the last axis runs in the inner loop, the others count like an odometer. */
function gather(values: StoredValues, span: StoredValues, { shape, strides }: FileTensor): void {
  const axes = shape.map((size, axis) => ({ size, stride: strides[axis] as number, index: 0 }));
  const inner = axes.pop();
  if (!inner) throw new TypeError("A tensor without dimensions is contiguous.");
  axes.reverse();
  for (let written = 0, start = 0; written < values.length;) {
    for (let step = 0; step < inner.size; step++) {
      values[written++] = span[start + step * inner.stride] as number | bigint;
    }
    for (const axis of axes) {
      start += axis.stride;
      if (++axis.index < axis.size) break;
      start -= axis.size * axis.stride;
      axis.index = 0;
    }
  }
}

/** @throws HireSnnError INVALID_ARGUMENT for integers and bool */
export function toFloat32(values: StoredValues, dtype: StoredDtype, what: string): Float32Array {
  switch (dtype) {
    case "float32":
      return values as Float32Array;
    case "float64":
      return Float32Array.from(values as Float64Array);
    case "float16":
      return float32FromFloat16(values as Uint16Array);
    case "bfloat16":
      return float32FromBfloat16(values as Uint16Array);
    default:
      throw new HireSnnError(
        "INVALID_ARGUMENT",
        `Expected a tensor of floating-point values for ${what}, found ${dtype}.`,
      );
  }
}
