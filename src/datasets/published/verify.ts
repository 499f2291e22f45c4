import { stat } from "node:fs/promises";
import { join } from "node:path";
import { HireSnnError } from "../../errors";
import { defaultDataFolder } from "../data-folder";
import {
  publishedNames,
  publishedSets,
  type PublishedFile,
  type PublishedForm,
  type PublishedName,
} from "./catalogue";
import { fingerprintOf } from "./hashing";

/** Which folder {@link verifyDataset} looks at. */
export interface VerifyOptions {
  /** @default $HIRE_SNN_DATA, else the cache folder's `data` */
  readonly data?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A file of a published set beside its published hash. */
export interface VerifiedFile {
  readonly path: string;
  /** Whether its unpacked content is the published one. */
  readonly status: "ok" | "different" | "missing";
  /** The published hash, "md5:..." or "sha256:...". */
  readonly expected: string;
  /** Of the file, or what it is instead; absent if it is missing. */
  readonly found?: string;
}

/** What a data folder has of a published set. */
export interface Verification {
  readonly name: PublishedName;
  /** Each form of which at least one file is there; none if the set is not there. */
  readonly forms: readonly { readonly folder: string; readonly files: readonly VerifiedFile[] }[];
  /** Whether there is a form, and all files of all forms are as published. */
  readonly ok: boolean;
}

/**
 * Compares what a data folder has of a published set with the published hashes, of which each unpacked file has one. A gzipped MNIST
 * file counts by what is packed in it. Files are only read.
 *
 * @throws HireSnnError INVALID_ARGUMENT for another name; the signal's reason
 */
export async function verifyDataset(name: PublishedName, options: VerifyOptions = {}): Promise<Verification> {
  const { data = defaultDataFolder(), signal } = options;
  checkPublishedName(name);
  const { fetched, others } = publishedSets[name];
  const forms: { folder: string; files: VerifiedFile[] }[] = [];
  for (const form of [fetched, ...others]) {
    const folder = await folderOf(data, form);
    if (folder !== undefined) forms.push({ folder, files: await verifyForm(folder, form, signal) });
  }
  const ok = forms.length > 0 && forms.every(({ files }) => files.every(({ status }) => status === "ok"));
  return { name, forms, ok };
}

/** @throws HireSnnError INVALID_ARGUMENT unless there is a published set of that name */
export function checkPublishedName(name: string): void {
  if ((publishedNames as readonly string[]).includes(name)) return;
  throw new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected one of ${publishedNames.join(", ")} for the published data set but received "${name}"`,
  );
}

/** The files of a form in a folder, beside their published hashes. */
export async function verifyForm(
  folder: string,
  { files }: PublishedForm,
  signal?: AbortSignal,
): Promise<VerifiedFile[]> {
  const verified: VerifiedFile[] = [];
  for (const file of files) verified.push(await verifyFile(join(folder, file.name), file, signal));
  return verified;
}

/** The first folder with a file of the form. */
async function folderOf(
  data: string,
  { folder, otherFolders = [], files }: PublishedForm,
): Promise<string | undefined> {
  for (const place of [folder, ...otherFolders]) {
    for (const { name } of files) {
      if ((await existing(join(data, place, name))) !== undefined) return join(data, place);
    }
  }
  return undefined;
}

async function verifyFile(
  path: string,
  { bytes, hash }: PublishedFile,
  signal: AbortSignal | undefined,
): Promise<VerifiedFile> {
  const there = await existing(path);
  if (there === undefined) return { path, status: "missing", expected: hash };
  const different = (found: string): VerifiedFile => ({
    path: there,
    status: "different",
    expected: hash,
    found,
  });
  try {
    const fingerprint = await fingerprintOf(there, hash, { gunzip: there !== path, most: bytes, signal });
    if (fingerprint.bytes > bytes) return different(`more than ${bytes} bytes`);
    const { found, matches } = fingerprint.digest();
    return matches ? { path: there, status: "ok", expected: hash, found } : different(found);
  } catch (error) {
    signal?.throwIfAborted();
    return different((error as Error).message);
  }
}

/** The file itself, or its gzipped form. */
async function existing(path: string): Promise<string | undefined> {
  for (const candidate of [path, `${path}.gz`]) {
    const status = await stat(candidate).catch(() => undefined);
    if (status?.isFile()) return candidate;
  }
  return undefined;
}
