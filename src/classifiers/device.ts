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

/**
 * @param option what asks for TF32, as its user writes it
 * @throws HireSnnError INVALID_ARGUMENT for TF32 without a GPU, where it would be without effect
 */
export function checkTf32(tf32: boolean | undefined, device: Device = "cpu", option = "tf32"): void {
  if (!tf32 || device !== "cpu") return;
  throw new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected a GPU for ${option}, such as the device cuda, but received cpu`,
  );
}
