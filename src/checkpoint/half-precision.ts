/** float16 and bfloat16 as their 16 bits each. */

export function float32FromFloat16(halves: Uint16Array): Float32Array {
  const values = new Float32Array(halves.length);
  for (let index = 0; index < halves.length; index++) values[index] = float16Value(halves[index]!);
  return values;
}

export function float32FromBfloat16(halves: Uint16Array): Float32Array {
  const values = new Float32Array(halves.length);
  const bits = new Uint32Array(values.buffer);
  // bfloat16 is the upper half of a float32.
  for (let index = 0; index < halves.length; index++) bits[index] = halves[index]! << 16;
  return values;
}

/** Rounded to the nearest, ties to even, as PyTorch does. */
export function float16FromFloat32(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(bits, float16Bits);
}

/** Rounded to the nearest, ties to even, as PyTorch does. NaN becomes 0x7fc0. */
export function bfloat16FromFloat32(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(bits, (bit) =>
    (bit & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : (bit + 0x7fff + ((bit >>> 16) & 1)) >>> 16,
  );
}

function float16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

function float16Bits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  // Quiet, with the upper bits of its payload, as processors do.
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x1ff);
  // 65520 and above round to infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // From 2^-14 on the exponent is rebiased and 13 bits of the fraction are rounded away.
  if (magnitude >= 0x38800000) {
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  }
  // Below, the unit is 2^-24 whatever the exponent; 2^-25 and less round to zero.
  const shift = 126 - (magnitude >>> 23);
  if (shift > 24) return sign;
  const fraction = (magnitude & 0x7fffff) | 0x800000;
  const quotient = fraction >>> shift;
  const rest = fraction & (2 ** shift - 1);
  const half = 2 ** (shift - 1);
  return sign | (quotient + (rest > half || (rest === half && quotient & 1) ? 1 : 0));
}
