import { createHash } from "node:crypto";
import { HireSnnError } from "../errors";
import type { ByteImages } from "./byte-image-dataset";
import { parseCifarPickle, type PickleFile } from "./cifar-pickle";
import { MemoryImages } from "./memory-images";
import type { RecordLayout } from "./record-files";
import { collect, readTarGz } from "./tar-gz";

/** What is read of a binary archive: files of records, by their names within it. */
export interface ArchivedRecords {
  readonly layout: RecordLayout;
  readonly members: readonly { readonly name: string; readonly records: number }[];
}

/** What is read of a python archive; the paths are those within it. */
export interface ArchivedPickles {
  readonly labelKey: string;
  readonly pixelBytes: number;
  readonly members: readonly PickleFile[];
}

/** The published archives unpack to 185 MB and have at most eleven members. */
const limits = { bytes: 512 * 2 ** 20, members: 100 };

/**
 * One split of CIFAR from a published `.tar.gz` archive, which is read in pieces and not unpacked to disk. Compressed data has no
 * places to go to: the split's pixels stay in memory, one byte each.
 *
 * @param forms what may be in the archive; the first that is there is taken
 * @throws HireSnnError DATASET_INVALID if the archive is cut, damaged or unsafe (see {@link readTarGz}), or lacks a member, or has it
 *   in another size; CHECKPOINT_UNSAFE if a pickle in it would run code
 */
export async function openCifarArchive(
  path: string,
  forms: readonly (ArchivedRecords | ArchivedPickles)[],
): Promise<MemoryImages> {
  const readers = forms.map((form) => memberReaders(path, form));
  const contents = new Map<string, Uint8Array>();
  await readTarGz(path, limits, ({ name, size }) => {
    const reader = readers.find((members) => members.has(name))?.get(name);
    if (!reader) return undefined;
    reader.checkSize(size);
    return async (chunks) => {
      contents.set(name, await collect(chunks, size));
    };
  });
  const chosen = readers.find((members) => [...members.keys()].some((name) => contents.has(name)));
  const hash = createHash("sha256");
  const images: ByteImages[] = [];
  for (const [name, { parse }] of chosen ?? readers[0] ?? []) {
    const content = contents.get(name);
    if (!content) {
      throw new HireSnnError(
        "DATASET_INVALID",
        `Expected ${name} in ${path} but found no such member; it is another archive, fetch or copy the published one`,
      );
    }
    hash.update(content);
    images.push(parse(content));
    contents.delete(name);
  }
  return new MemoryImages([path], hash.digest("hex"), images);
}

interface MemberReader {
  /** @throws HireSnnError DATASET_INVALID before memory is taken for a size that cannot be */
  readonly checkSize: (size: number) => void;
  /** May change the content in place. */
  readonly parse: (content: Uint8Array) => ByteImages;
}

/** By the members' names, in the split's order, which is not the archive's. */
function memberReaders(path: string, form: ArchivedRecords | ArchivedPickles): Map<string, MemberReader> {
  const readers = new Map<string, MemberReader>();
  if ("layout" in form) {
    const { layout, members } = form;
    for (const { name, records } of members) {
      const expected = records * (layout.labelBytes + layout.pixelBytes);
      readers.set(name, {
        checkSize: (size) => {
          if (size !== expected) throw wrongSize(path, name, `${expected} bytes`, size);
        },
        parse: (content) => splitRecords(content, layout),
      });
    }
    return readers;
  }
  for (const file of form.members) {
    // Pickled anew, a batch has another size, but not several times the published one.
    const most = 2 * file.publishedBytes;
    const named = { ...file, path: `${path}: ${file.path}` };
    readers.set(file.path, {
      checkSize: (size) => {
        if (size > most) throw wrongSize(path, file.path, `about ${file.publishedBytes} bytes`, size);
      },
      parse: (content) => parseCifarPickle(named, content, form.labelKey, form.pixelBytes),
    });
  }
  return readers;
}

/** Takes the labels out of records and moves their pixels together, in place. */
function splitRecords(records: Uint8Array, { labelBytes, pixelBytes }: RecordLayout): ByteImages {
  const size = labelBytes + pixelBytes;
  const count = records.length / size;
  const labels = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    labels[i] = records[i * size + labelBytes - 1] as number;
    records.copyWithin(i * pixelBytes, i * size + labelBytes, (i + 1) * size);
  }
  return { labels, pixels: records.subarray(0, count * pixelBytes) };
}

function wrongSize(path: string, name: string, expected: string, found: number): HireSnnError {
  return new HireSnnError(
    "DATASET_INVALID",
    `Expected ${expected} of ${name} in ${path} but found ${found}; it is another archive, fetch or copy the published one`,
  );
}
