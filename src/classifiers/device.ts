import { HireSnnError } from "../errors";
import type { Device } from "./classifier";

/**
 * The device that a text names.
 *
 * @throws HireSnnError INVALID_ARGUMENT unless it is cpu, cuda or cuda:N
 */
export function checkDevice(text: string): Device {
  if (/^(cpu|cuda|cuda:\d{1,4})$/.test(text)) return text as Device;
  throw new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected cpu, cuda or cuda:N for the device but received "${text}"`,
  );
}
