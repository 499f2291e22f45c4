// A file by HTTP(S), taken only if its SHA-256 is the expected one.
import { createHash } from "node:crypto";
import { createWriteStream, rmSync } from "node:fs";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { interrupted } from "./processes.mjs";
import { progress, SetupError } from "./report.mjs";

/** A connection that brings nothing for so long is given up. */
const silenceSeconds = 60;

/**
 * Downloads into `file`, which is deleted again on any failure.
 * @param {{url: string, sha256: string, bytes?: number}} wanted
 * @param {string} file
 */
export async function download({ url, sha256, bytes }, file) {
  const silence = new AbortController();
  let timer;
  const heard = () => {
    clearTimeout(timer);
    const reason = new SetupError(`${url} sent nothing for ${silenceSeconds} s`);
    timer = setTimeout(() => silence.abort(reason), silenceSeconds * 1000);
  };
  try {
    heard();
    const response = await fetch(url, { signal: AbortSignal.any([interrupted, silence.signal]) });
    if (!response.ok) {
      await response.body?.cancel();
      throw new SetupError(`${url} answered ${response.status} ${response.statusText}`.trim());
    }
    const length = response.headers.get("content-length");
    const total = length === null ? bytes : Number(length);
    const hash = createHash("sha256");
    const shown = progress("downloading", total);
    let done = 0;
    const count = new Transform({
      transform(chunk, _encoding, next) {
        heard();
        done += chunk.length;
        hash.update(chunk);
        shown.update(done);
        next(null, chunk);
      },
    });
    await pipeline(Readable.fromWeb(response.body), count, createWriteStream(file)).finally(() =>
      shown.end(),
    );
    check({ url, done, expected: bytes ?? total, found: hash.digest("hex"), sha256 });
  } catch (error) {
    rmSync(file, { force: true });
    throw explain(error, url, silence.signal);
  } finally {
    clearTimeout(timer);
  }
}

function check({ url, done, expected, found, sha256 }) {
  if (expected !== undefined && done !== expected) {
    throw new SetupError(`${url}: expected ${expected} bytes but received ${done}`);
  }
  if (found !== sha256) {
    throw new SetupError(
      `${url}: expected SHA-256 ${sha256} but found ${found}; the file is not the published one and was deleted`,
    );
  }
}

function explain(error, url, silence) {
  if (error instanceof SetupError) return error;
  if (interrupted.aborted) return interrupted.reason;
  if (silence.aborted) return silence.reason;
  // fetch says only "fetch failed"; what happened is in its cause.
  const cause = error.cause?.code ?? error.cause?.message ?? error.message;
  return new SetupError(`${url} could not be downloaded (${cause})`, { cause: error });
}
