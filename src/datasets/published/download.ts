import { open, rename, rm, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { HireSnnError } from "../../errors";
import type { PublishedArchive } from "./catalogue";
import { fingerprintOf } from "./hashing";

export interface DownloadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Bytes that are there, of how many. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Waits after the first failure, the second, ...: as many are forgiven in a row that bring nothing. */
  readonly waits?: readonly number[];
  /** Milliseconds after which a connection that brings nothing is given up. */
  readonly silence?: number;
}

const usualWaits = [500, 2_000, 5_000, 15_000];
const usualSilence = 60_000;

/** A failure that another attempt may not meet. */
class Passing extends Error {}

/**
 * Downloads one published archive into `file`, which is complete and has the published hash, or is not there. What a broken
 * connection, or an earlier process, has brought stays in `file.partial`, and is continued by a range request. A server that sends
 * more bytes than were published, or others, is refused.
 *
 * @throws HireSnnError DOWNLOAD_FAILED with the way out; IO if the file cannot be written; the signal's reason
 */
export async function download(
  url: string,
  file: string,
  archive: PublishedArchive,
  options: DownloadOptions = {},
): Promise<void> {
  const { signal, waits = usualWaits } = options;
  const partial = `${file}.partial`;
  let mayRestart = (await sizeOf(partial)) > 0;
  for (;;) {
    await complete(url, partial, archive, options, waits);
    const fingerprint = await fingerprintOf(partial, archive.hash, { signal });
    const { found, matches } = fingerprint.digest();
    if (matches) {
      await rename(partial, file);
      return;
    }
    await rm(partial, { force: true });
    // The beginning may be another file's: of an earlier attempt, from another mirror.
    if (mayRestart) {
      mayRestart = false;
      continue;
    }
    throw failed(url, `a file with ${archive.hash}`, `one with ${found}, which was deleted`);
  }
}

/** Attempts until all bytes are there. */
async function complete(
  url: string,
  partial: string,
  archive: PublishedArchive,
  options: DownloadOptions,
  waits: readonly number[],
): Promise<void> {
  for (let failures = 0; ;) {
    const before = await sizeOf(partial);
    if (before === archive.bytes) return;
    // Longer than the published file: it is none of it.
    if (before > archive.bytes) await rm(partial, { force: true });
    try {
      await attempt(url, partial, archive, options);
    } catch (error) {
      if (!(error instanceof Passing)) throw error;
      failures = (await sizeOf(partial)) > before ? 1 : failures + 1;
      const wait = waits[failures - 1];
      if (wait === undefined) {
        throw failed(url, `${archive.bytes} bytes`, `${await sizeOf(partial)}, then ${error.message}`, error);
      }
      await sleep(wait, undefined, options.signal ? { signal: options.signal } : {}).catch(() =>
        options.signal?.throwIfAborted(),
      );
    }
  }
}

/** @throws Passing if it broke off */
async function attempt(
  url: string,
  partial: string,
  archive: PublishedArchive,
  { signal, onProgress, silence = usualSilence }: DownloadOptions,
): Promise<void> {
  const quiet = new AbortController();
  const timer = setTimeout(() => quiet.abort(new Passing(`nothing for ${silence / 1000} s`)), silence);
  try {
    const begun = await sizeOf(partial);
    const response = await fetch(url, {
      signal: AbortSignal.any([quiet.signal, ...(signal ? [signal] : [])]),
      headers: {
        // A packed transfer would be unpacked on the way, and its ranges would mean something else.
        "accept-encoding": "identity",
        ...(begun > 0 && { range: `bytes=${begun}-` }),
      },
    });
    const start = await whereItBegins(response, url, begun, archive.bytes);
    await write(response, url, partial, start, archive.bytes, (done) => {
      timer.refresh();
      onProgress?.(done, archive.bytes);
    });
  } catch (error) {
    signal?.throwIfAborted();
    if (quiet.signal.aborted) throw quiet.signal.reason;
    if (error instanceof HireSnnError || error instanceof Passing) throw error;
    const { cause, message, syscall } = error as NodeJS.ErrnoException & { cause?: NodeJS.ErrnoException };
    if (syscall !== undefined && cause === undefined) {
      throw new HireSnnError("IO", `Cannot write ${partial}: ${message}`, { cause: error });
    }
    // fetch says only "fetch failed" or "terminated"; what happened is in its cause.
    throw new Passing(cause?.code ?? cause?.message ?? message);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * At which byte of the file the answer's body begins.
 *
 * @throws HireSnnError DOWNLOAD_FAILED for an answer that is no part of the published file
 */
async function whereItBegins(response: Response, url: string, begun: number, bytes: number): Promise<number> {
  const { status, headers } = response;
  try {
    const encoding = headers.get("content-encoding") ?? "identity";
    if (encoding !== "identity")
      throw failed(url, "the file as it is", `one in content-encoding ${encoding}`);
    if (status === 200) {
      const length = headers.get("content-length");
      if (length !== null && Number(length) !== bytes)
        throw failed(url, `${bytes} bytes`, `${length}, by its own word`);
      return 0;
    }
    if (status === 206 && begun > 0) {
      const range = headers.get("content-range") ?? "no content-range";
      const [, first, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(range) ?? [];
      if (Number(first) === begun && Number(total) === bytes) return begun;
      throw failed(url, `the bytes from ${begun} on of ${bytes}`, range);
    }
    const answer = `${status} ${response.statusText}`.trim();
    if (status === 408 || status === 429 || status >= 500) throw new Passing(`an answer ${answer}`);
    throw failed(url, "the file", answer);
  } catch (error) {
    await response.body?.cancel();
    throw error;
  }
}

async function write(
  response: Response,
  url: string,
  partial: string,
  start: number,
  bytes: number,
  progress: (done: number) => void,
): Promise<void> {
  const file = await open(partial, start === 0 ? "w" : "r+");
  let done = start;
  try {
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      if (done + chunk.length > bytes) {
        await file.truncate(0);
        throw failed(url, `${bytes} bytes`, "more");
      }
      for (let written = 0; written < chunk.length;) {
        const { bytesWritten } = await file.write(chunk, written, chunk.length - written, done + written);
        written += bytesWritten;
      }
      done += chunk.length;
      progress(done);
    }
  } finally {
    await file.close();
  }
  if (done < bytes) throw new Passing(`the end after ${done} bytes`);
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

function failed(url: string, expected: string, found: string, cause?: unknown): HireSnnError {
  return new HireSnnError(
    "DOWNLOAD_FAILED",
    `Expected ${expected} from ${url} but received ${found}; try again later, name another place with --mirror, or put the file ` +
      "there by hand",
    { cause },
  );
}
