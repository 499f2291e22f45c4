import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { finished } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { lock } from "proper-lockfile";
import { HireSnnError } from "../../errors";
import { defaultDataFolder } from "../data-folder";
import { gunzipped } from "../gunzip";
import { readTarGz } from "../tar-gz";
import {
  publishedSets,
  type PublishedArchive,
  type PublishedFile,
  type PublishedName,
  type PublishedSet,
} from "./catalogue";
import { download, type DownloadOptions } from "./download";
import { Fingerprint } from "./hashing";
import { checkPublishedName, verifyForm } from "./verify";

/** Where a fetch is. */
export type FetchProgress =
  | { readonly step: "waiting" }
  | { readonly step: "downloading"; readonly file: string; readonly done: number; readonly total: number }
  | { readonly step: "unpacking"; readonly file: string };

/** Where {@link fetchDataset} puts a set, and where it gets it. */
export interface FetchOptions {
  /** Where the set's folder is made. @default $HIRE_SNN_DATA, else the cache folder's `data` */
  readonly data?: string | undefined;
  /** The URL of a folder in which the archives have their published names. @default the publisher's */
  readonly mirror?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called while it waits for another fetch, downloads and unpacks. */
  readonly onProgress?: ((progress: FetchProgress) => void) | undefined;
}

/** What {@link fetchDataset} did. */
export interface FetchResult {
  /** The set's own folder. */
  readonly folder: string;
  /** False if all was there before. */
  readonly fetched: boolean;
}

/** Besides its own files, an archive may hold a read-me or two. */
const spareBytes = 1 << 20;
const spareMembers = 10;
/** A lock whose holder has not refreshed it for so long belongs to a process that is gone. */
const staleLock = 30_000;

/**
 * Fetches a published set: CIFAR-10 and CIFAR-100 in their python form, MNIST as idx files, from the archives that torchvision uses.
 * Archives are checked by their published hash before they are unpacked, files by theirs after, and only files of the set are
 * written, only into its own folder, where it appears complete. A fetch that was stopped continues where it was. What is there
 * already is verified, and never overwritten.
 *
 * @throws HireSnnError DOWNLOAD_FAILED if the set cannot be had, or is not the published one; DATASET_INVALID if another file is in
 *   its place; INVALID_ARGUMENT for another name or mirror; IO if it cannot be written; the signal's reason
 */
export async function fetchDataset(name: PublishedName, options: FetchOptions = {}): Promise<FetchResult> {
  checkPublishedName(name);
  return fetchPublished(publishedSets[name], options);
}

/** {@link fetchDataset} of a set that need not be in the catalogue. */
export async function fetchPublished(
  set: PublishedSet,
  options: FetchOptions,
  retries: Pick<DownloadOptions, "waits" | "silence"> = {},
): Promise<FetchResult> {
  const { data = defaultDataFolder(), mirror, signal, onProgress } = options;
  const base = baseUrl(mirror ?? set.url);
  await makeFolder(data);
  return withLock(join(data, `.fetch-${set.name}.lock`), data, onProgress, signal, async (held) => {
    const folder = join(data, set.fetched.folder);
    const missing = await missingFiles(folder, set, held);
    if (missing.length === 0) return { folder, fetched: false };
    const unpacked = join(data, `.fetch-${set.name}.unpacking`);
    await rm(unpacked, { recursive: true, force: true });
    await mkdir(unpacked, { recursive: true });
    try {
      for (const archive of set.archives) {
        if (!missing.some((file) => holds(archive, file))) continue;
        const file = join(data, archive.name);
        const url = new URL(archive.name, base).href;
        await download(url, file, archive, {
          ...retries,
          signal: held,
          onProgress: (done, total) => onProgress?.({ step: "downloading", file: archive.name, done, total }),
        });
        onProgress?.({ step: "unpacking", file: archive.name });
        try {
          await unpack(file, unpacked, archive, set, held);
        } finally {
          await rm(file, { force: true });
        }
      }
      await moveInto(folder, unpacked, missing);
    } finally {
      await rm(unpacked, { recursive: true, force: true });
    }
    return { folder, fetched: true };
  });
}

function baseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected the http or https URL of a folder for the mirror (--mirror) but received "${text}"`,
    );
  }
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw new HireSnnError("IO", `Cannot make the folder ${folder}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/**
 * One fetch of a set into a folder at a time: another process waits. The work's signal is also that of a lock that was lost, to a
 * process that took this one for gone (a laptop that slept).
 */
async function withLock<T>(
  file: string,
  data: string,
  onProgress: FetchOptions["onProgress"],
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const lost = new AbortController();
  for (let said = false; ;) {
    signal?.throwIfAborted();
    try {
      const release = await lock(data, {
        lockfilePath: file,
        stale: staleLock,
        onCompromised: (error) =>
          lost.abort(new HireSnnError("IO", `The lock ${file} was lost: ${error.message}; try again`)),
      });
      try {
        return await work(AbortSignal.any([lost.signal, ...(signal ? [signal] : [])]));
      } finally {
        if (!lost.signal.aborted) await release();
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ELOCKED") throw error;
    }
    if (!said) onProgress?.({ step: "waiting" });
    said = true;
    await sleep(250);
  }
}

/** @throws HireSnnError DATASET_INVALID if a file is another than the published one: it is not this function's to delete */
async function missingFiles(
  folder: string,
  set: PublishedSet,
  signal: AbortSignal,
): Promise<readonly PublishedFile[]> {
  const verified = await verifyForm(folder, set.fetched, signal);
  const different = verified.find(({ status }) => status === "different");
  if (different) {
    throw new HireSnnError(
      "DATASET_INVALID",
      `Expected ${different.expected} of ${different.path} but found ${different.found}; delete or rename it, or fetch into another ` +
        "folder with --data",
    );
  }
  return set.fetched.files.filter((_, i) => verified[i]?.status === "missing");
}

function holds(archive: PublishedArchive, file: PublishedFile): boolean {
  return archive.packing === "tar.gz" || archive.name === `${file.name}.gz`;
}

/** Unpacks the set's files out of one archive, each under its own name, whatever else may be in it. */
async function unpack(
  path: string,
  folder: string,
  archive: PublishedArchive,
  set: PublishedSet,
  signal: AbortSignal,
): Promise<void> {
  const wanted = set.fetched.files.filter((file) => holds(archive, file));
  if (archive.packing === "gz") {
    for (const file of wanted)
      await writeFile(gunzipped(path), join(folder, file.name), file, archive, signal);
    return;
  }
  const names = new Map(wanted.map((file) => [`${set.fetched.folder}/${file.name}`, file]));
  const limits = {
    bytes: wanted.reduce((sum, { bytes }) => sum + bytes + 1024, spareBytes),
    members: wanted.length + spareMembers,
    signal,
  };
  const written = new Set<string>();
  try {
    await readTarGz(path, limits, ({ name }) => {
      const file = names.get(name);
      if (!file) return undefined;
      return async (content) => {
        await writeFile(content, join(folder, file.name), file, archive, signal);
        written.add(file.name);
      };
    });
  } catch (error) {
    if (!(error instanceof HireSnnError) || error.code !== "DATASET_INVALID") throw error;
    throw new HireSnnError("DOWNLOAD_FAILED", error.message, { cause: error });
  }
  const lacking = wanted.find(({ name }) => !written.has(name));
  if (lacking) throw notPublished(archive, `${set.fetched.folder}/${lacking.name}`, "no such member");
}

/** Writes a file that is as long as it was published, and has its hash. */
async function writeFile(
  content: AsyncIterable<Uint8Array>,
  path: string,
  file: PublishedFile,
  archive: PublishedArchive,
  signal: AbortSignal,
): Promise<void> {
  const fingerprint = new Fingerprint(file.hash);
  const out = createWriteStream(path, { flags: "wx" });
  const closed = finished(out);
  closed.catch(() => undefined);
  try {
    for await (const chunk of content) {
      signal.throwIfAborted();
      fingerprint.update(chunk);
      if (fingerprint.bytes > file.bytes)
        throw notPublished(archive, `${file.bytes} bytes of ${file.name}`, "more");
      if (!out.write(chunk)) await Promise.race([once(out, "drain"), closed]);
    }
    out.end();
    await closed;
  } catch (error) {
    out.destroy();
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code.startsWith("Z_"))
      throw notPublished(archive, "whole gzip data", (error as Error).message, error);
    throw error;
  }
  const { found, matches } = fingerprint.digest();
  if (!matches) throw notPublished(archive, `${file.hash} of ${file.name}`, found);
}

/** The folder appears as a whole; into one that is there, the files that it lacks are moved. */
async function moveInto(folder: string, unpacked: string, missing: readonly PublishedFile[]): Promise<void> {
  const isThere = await stat(folder).then(
    () => true,
    () => false,
  );
  if (!isThere) {
    await mkdir(dirname(folder), { recursive: true });
    await rename(unpacked, folder);
    return;
  }
  for (const { name } of missing) await rename(join(unpacked, name), join(folder, name));
}

function notPublished(
  archive: PublishedArchive,
  expected: string,
  found: string,
  cause?: unknown,
): HireSnnError {
  return new HireSnnError(
    "DOWNLOAD_FAILED",
    `Expected ${expected} in ${archive.name} but found ${found}; it is not the published archive: try another --mirror`,
    { cause },
  );
}
