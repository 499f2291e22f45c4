import { crc32 } from "node:zlib";
import { HireSnnError } from "../errors";
import type { ByteSource } from "./byte-source";
import type { StoredDtype, StoredValues } from "./checkpoint";
import type { FileTensor } from "./stored-tensor";

/** Beyond the size of the file, what the values of one tensor may take: views can repeat what they show at no cost. */
const EXTRA_MEMORY = 64 * 2 ** 20;

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

/**
 * Reads a tensor's values in row-major order into a new array: straight from the file where they lie so, else gathered
 * from the stretch of the file that the tensor spans.
 *
 * @throws HireSnnError CHECKPOINT_CORRUPT if the tensor claims far more values than the file has, or if they contradict
 *   the file's checksum
 */
export function readTensor(source: ByteSource, tensor: FileTensor): StoredValues {
  const bytes = tensor.length * tensor.elementSize;
  if (bytes > 2 * source.size + EXTRA_MEMORY) {
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
  checkCrc32(source.name, `storage ${JSON.stringify(storage.key)}`, storage.position, bytes, storage.crc32);
}

/**
 * @param expected 0 stands for no checksum: PyTorch can be told to leave it out
 * @throws HireSnnError CHECKPOINT_CORRUPT
 */
export function checkCrc32(
  name: string,
  what: string,
  position: number,
  bytes: Uint8Array,
  expected: number,
): void {
  // Node has it since 20.15; before, a damaged value is not noticed, as in PyTorch.
  if (expected === 0 || typeof crc32 !== "function") return;
  const found = crc32(bytes);
  if (found === expected) return;
  throw new HireSnnError(
    "CHECKPOINT_CORRUPT",
    `${name} is corrupt: ${what} at byte ${position} has the checksum ${found.toString(16)}, expected ` +
      `${expected.toString(16)}. Copy or download the file again.`,
  );
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
      return Float32Array.from(values as Uint16Array, float16Value);
    case "bfloat16": {
      // bfloat16 is the upper half of a float32.
      const bits = Uint32Array.from(values as Uint16Array, (half) => half << 16);
      return new Float32Array(bits.buffer);
    }
    default:
      throw new HireSnnError(
        "INVALID_ARGUMENT",
        `Expected a tensor of floating-point values for ${what}, found ${dtype}.`,
      );
  }
}

function float16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}
