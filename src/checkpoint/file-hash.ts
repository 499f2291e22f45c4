import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { HireSnnError } from "../errors";

/**
 * SHA-256 of a file's content, in lower-case hex; the file is streamed.
 *
 * @throws HireSnnError IO; the signal's reason when it aborts
 */
export async function sha256OfFile(
  path: string,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<string> {
  const hash = createHash("sha256");
  try {
    const { signal } = options;
    await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash, ...(signal ? [{ signal }] : []));
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason;
    throw new HireSnnError("IO", `Cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
  return hash.digest("hex");
}
