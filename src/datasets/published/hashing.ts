import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { gunzipped } from "../gunzip";
import type { PublishedHash } from "./catalogue";

/** What a content comes to beside a published hash. */
export class Fingerprint {
  private readonly hash: Hash;
  private length = 0;

  constructor(private readonly published: PublishedHash) {
    this.hash = createHash(algorithmOf(published));
  }

  update(chunk: Uint8Array): void {
    this.hash.update(chunk);
    this.length += chunk.length;
  }

  get bytes(): number {
    return this.length;
  }

  /** To be asked once, at the end. */
  digest(): { readonly found: PublishedHash; readonly matches: boolean } {
    const found: PublishedHash = `${algorithmOf(this.published)}:${this.hash.digest("hex")}`;
    return { found, matches: found === this.published };
  }
}

function algorithmOf(hash: PublishedHash): "md5" | "sha256" {
  return hash.startsWith("md5:") ? "md5" : "sha256";
}

/**
 * The fingerprint of a file, read in pieces.
 *
 * @param options.gunzip of what is packed in it
 * @param options.most bytes after which the reading stops: it is another file then
 * @throws the file system's or zlib's error
 */
export async function fingerprintOf(
  path: string,
  published: PublishedHash,
  options: {
    readonly gunzip?: boolean;
    readonly most?: number;
    readonly signal?: AbortSignal | undefined;
  } = {},
): Promise<Fingerprint> {
  const { gunzip = false, most = Infinity, signal } = options;
  const fingerprint = new Fingerprint(published);
  for await (const chunk of gunzip ? gunzipped(path) : createReadStream(path, { highWaterMark: 1 << 20 })) {
    signal?.throwIfAborted();
    fingerprint.update(chunk as Buffer);
    if (fingerprint.bytes > most) break;
  }
  return fingerprint;
}
