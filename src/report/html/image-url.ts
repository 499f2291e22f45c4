import { readFile } from "node:fs/promises";
import { HireSnnError } from "../../errors";

const pngSignature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
/** An image of a data set is far smaller; a report has to open quickly. */
const mostBytes = 1 << 20;

/**
 * A PNG file as a data URL.
 *
 * @throws HireSnnError IO if it cannot be read; RUN_INVALID if it is no PNG, or larger than 1 MiB
 */
export async function imageUrl(path: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new HireSnnError("IO", `Could not read ${path}: ${(error as Error).message}`, { cause: error });
  }
  if (!bytes.subarray(0, pngSignature.length).equals(pngSignature) || bytes.length > mostBytes) {
    throw new HireSnnError(
      "RUN_INVALID",
      `Expected a PNG image of at most 1 MiB in ${path} but found ${bytes.length} bytes of something else`,
    );
  }
  return `data:image/png;base64,${bytes.toString("base64")}`;
}
