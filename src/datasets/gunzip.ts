import { createReadStream } from "node:fs";
import { createGunzip } from "node:zlib";

/** The content of a gzipped file, in pieces. Who stops reading closes the file. */
export function gunzipped(path: string): AsyncIterable<Buffer> {
  const file = createReadStream(path, { highWaterMark: 1 << 18 });
  const gunzip = createGunzip({ chunkSize: 1 << 18 });
  file.on("error", (error) => gunzip.destroy(error));
  gunzip.on("close", () => file.destroy());
  return file.pipe(gunzip);
}
