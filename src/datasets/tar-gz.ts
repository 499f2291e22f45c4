import { Parser, type ReadEntry } from "tar";
import { HireSnnError } from "../errors";
import { gunzipped } from "./gunzip";

/** A regular file in an archive. */
export interface TarMember {
  /** Relative, with forward slashes, without "." or ".." in it. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

export interface TarLimits {
  /** Most bytes of the unpacked archive; beyond it is taken for a bomb. */
  readonly bytes: number;
  readonly members: number;
  /** Stops the reading; what has been taken until then is the caller's. */
  readonly signal?: AbortSignal | undefined;
}

/** Is given the content of a member; the next member waits for it. */
export type TakeMember = (content: AsyncIterable<Uint8Array>) => Promise<void>;

/** Bytes that begin compressed data, which the tar reader would unpack once more by itself. */
const compressedStarts = ["1f8b", "28b52ffd"];

/**
 * Reads a `.tar.gz` once from its beginning to its end, in pieces, and hands out the members that are asked for. Nothing is written.
 * An archive that could harm one who unpacks it is refused as a whole, whichever members are wanted: a name that leads out of the
 * archive's folder, a link, a device, one name twice, more bytes or members than the limits.
 *
 * @param select is asked for each regular file, in the archive's order; undefined leaves it out
 * @throws HireSnnError DATASET_INVALID for such an archive, and for one that is cut, damaged or something else
 */
export async function readTarGz(
  path: string,
  limits: TarLimits,
  select: (member: TarMember) => TakeMember | undefined,
): Promise<void> {
  const parser = new Parser({ strict: true });
  const names = new Set<string>();
  let working: Promise<void> = Promise.resolve();
  let isRefused = false;
  let reject!: (error: unknown) => void;
  const failed = new Promise<never>((_, rejectIt) => (reject = rejectIt));
  const fail = (error: unknown): void => {
    isRefused = true;
    reject(error);
  };
  // Whoever waits next is told; until then it is no unhandled rejection.
  failed.catch(() => undefined);
  parser.on("error", fail);
  parser.on("ignoredEntry", (entry: ReadEntry) =>
    fail(refused(path, `an entry that is not read (${entry.type})`)),
  );
  parser.on("entry", (entry: ReadEntry) => {
    try {
      const member = checkEntry(path, entry, names, limits);
      const take = member && select(member);
      if (!take || isRefused) {
        entry.resume();
        return;
      }
      // An entry that nobody reads yet holds the parser back.
      working = working.then(() => take(until(failed, entry)));
      working.catch(fail);
    } catch (error) {
      entry.resume();
      fail(error);
    }
  });
  const end = { seen: false };
  parser.once("eof", () => (end.seen = true));
  const ended = new Promise<void>((resolve) => parser.once("end", resolve));

  let bytes = 0;
  try {
    for await (const chunk of gunzipped(path)) {
      limits.signal?.throwIfAborted();
      if (bytes === 0 && compressedStarts.some((start) => chunk.toString("hex", 0, 4).startsWith(start))) {
        throw refused(path, "compressed data within the compressed data");
      }
      bytes += chunk.length;
      if (bytes > limits.bytes) throw refused(path, `more than ${limits.bytes} bytes when unpacked`);
      if (!parser.write(chunk)) {
        await Promise.race([new Promise<void>((resolve) => parser.once("drain", resolve)), failed]);
      }
      await Promise.race([failed, Promise.resolve()]);
    }
    parser.end();
    await Promise.race([ended, failed]);
    await Promise.race([working, failed]);
    await Promise.race([failed, Promise.resolve()]);
    if (!end.seen) throw damaged(path, "one without an end");
  } catch (error) {
    fail(error);
    // Whoever takes a member is told, and done, before the caller is: it may want to tidy up.
    await working.catch(() => undefined);
    throw explain(path, error);
  }
}

/** A member's content, which ends with the failure of the whole. */
async function* until(failed: Promise<never>, entry: ReadEntry): AsyncGenerator<Uint8Array> {
  const content = entry[Symbol.asyncIterator]();
  for (;;) {
    const next = await Promise.race([content.next(), failed]);
    if (next.done) return;
    yield next.value;
  }
}

/** The member of an entry; undefined for a folder. */
function checkEntry(
  path: string,
  entry: ReadEntry,
  names: Set<string>,
  limits: TarLimits,
): TarMember | undefined {
  const name = entry.path.replace(/^(\.\/)+/, "");
  const shown = JSON.stringify(entry.path.slice(0, 200));
  if (/^([/\\]|[a-z]:)/i.test(name) || /[\0\\]/.test(name) || name.split("/").includes("..")) {
    throw refused(path, `${shown}, which leads out of its folder`);
  }
  if (entry.type === "Directory") {
    if (names.size >= limits.members) throw refused(path, `more than ${limits.members} members`);
    names.add(`${name}/`);
    return undefined;
  }
  if (entry.type !== "File" && entry.type !== "OldFile" && entry.type !== "ContiguousFile") {
    throw refused(path, `${shown}, which is no regular file (${entry.type})`);
  }
  if (names.has(name)) throw refused(path, `${shown} twice`);
  names.add(name);
  if (names.size > limits.members) throw refused(path, `more than ${limits.members} members`);
  if (entry.size > limits.bytes) throw refused(path, `${shown} with ${entry.size} bytes`);
  return { name, size: entry.size };
}

function refused(path: string, found: string): HireSnnError {
  return new HireSnnError(
    "DATASET_INVALID",
    `Expected an archive of plain files in ${path} but found ${found}; it is not the published one: delete it and fetch it again`,
  );
}

function explain(path: string, error: unknown): unknown {
  if (error instanceof HireSnnError) return error;
  const { code = "", message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return damaged(path, "no such file", error);
  if (code === "EISDIR") return damaged(path, "a folder", error);
  if (!code.startsWith("Z_") && !code.startsWith("TAR_")) return error;
  return damaged(path, `one that is cut or damaged (${message})`, error);
}

function damaged(path: string, found: string, cause?: unknown): HireSnnError {
  return new HireSnnError(
    "DATASET_INVALID",
    `Expected a whole .tar.gz archive in ${path} but found ${found}; copy or fetch it again`,
    { cause },
  );
}

/**
 * Collects a member's content in memory.
 *
 * @param size of the member, which bounds what is taken
 */
export async function collect(content: AsyncIterable<Uint8Array>, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  let done = 0;
  for await (const chunk of content) {
    bytes.set(chunk, done);
    done += chunk.length;
  }
  return bytes.subarray(0, done);
}
