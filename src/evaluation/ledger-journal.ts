import { createHash } from "node:crypto";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { HireSnnError } from "../errors";
import { readAt } from "./durable-file";
import { fileError } from "./file-errors";

export const ledgerName = "ledger.jsonl";
export const journalName = "checksums.jsonl";

/** A line of `checksums.jsonl`: a batch of rows that is in the ledger for good. */
export interface JournalEntry {
  /** The batch's first sample, and how many there are. */
  readonly firstSample: number;
  readonly samples: number;
  /** Where its rows begin in `ledger.jsonl`, in bytes, and how many bytes they have. */
  readonly offset: number;
  readonly bytes: number;
  /** SHA-256 of these bytes, in hex. */
  readonly sha256: string;
}

/** What is committed of a ledger. */
export interface Committed {
  readonly entries: readonly JournalEntry[];
  /** Bytes of the ledger, and of the journal, that these entries cover. */
  readonly ledgerBytes: number;
  readonly journalBytes: number;
  /** The sample after the last one; undefined if there is none. */
  readonly nextSample: number | undefined;
}

export function checksum(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export function formatEntry({ firstSample, samples, offset, bytes, sha256 }: JournalEntry): string {
  return `${JSON.stringify({ firstSample, samples, offset, bytes, sha256 })}\n`;
}

/**
 * The batches that are committed in a run's folder: those whose line is whole in the journal and whose rows in the ledger have the
 * line's checksum. A line is written when its rows are on the disk, so an interruption, also one of the power, can only take batches
 * from the end. They are left out here.
 *
 * @throws HireSnnError RUN_CORRUPT if a batch before the end was changed; IO if the files cannot be read
 */
export async function readCommitted(folder: string): Promise<Committed> {
  const lines = parseJournal(await readJournal(folder));
  const intact = lines.length === 0 ? [] : await verify(folder, lines);
  const first = intact.indexOf(false);
  const good = first < 0 ? lines.length : first;
  const later = intact.indexOf(true, good);
  if (later >= 0) {
    const { firstSample, samples } = (lines[good] as Line).entry;
    throw new HireSnnError(
      "RUN_CORRUPT",
      `Expected the rows of samples ${firstSample} to ${firstSample + samples - 1} in ${join(folder, ledgerName)} as their checksum in ` +
        `${journalName} says, but they are others, while rows behind them are intact: the file was changed after it was written. ` +
        "Restore it, or run again into another folder",
    );
  }
  const kept = lines.slice(0, good);
  const last = kept.at(-1);
  return {
    entries: kept.map(({ entry }) => entry),
    ledgerBytes: last ? last.entry.offset + last.entry.bytes : 0,
    journalBytes: last?.end ?? 0,
    nextSample: last && last.entry.firstSample + last.entry.samples,
  };
}

interface Line {
  readonly entry: JournalEntry;
  /** Bytes of the journal up to the end of the line. */
  readonly end: number;
}

async function readJournal(folder: string): Promise<Buffer> {
  const path = join(folder, journalName);
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return Buffer.alloc(0);
    throw fileError(error, `read ${path}`);
  }
}

/** The lines up to the first that is torn, or does not follow on the one before. */
function parseJournal(content: Buffer): Line[] {
  const lines: Line[] = [];
  for (let begin = 0; ;) {
    const newline = content.indexOf("\n", begin);
    if (newline < 0) return lines;
    const entry = parseEntry(content.toString("utf8", begin, newline));
    const before = lines.at(-1)?.entry;
    const follows = before
      ? entry?.offset === before.offset + before.bytes &&
        entry.firstSample === before.firstSample + before.samples
      : entry?.offset === 0;
    if (!entry || !follows) return lines;
    begin = newline + 1;
    lines.push({ entry, end: begin });
  }
}

function parseEntry(line: string): JournalEntry | undefined {
  let entry: Partial<JournalEntry> | null;
  try {
    entry = JSON.parse(line) as Partial<JournalEntry> | null;
  } catch {
    return undefined;
  }
  const counts = [entry?.firstSample, entry?.samples, entry?.offset, entry?.bytes];
  const isEntry = counts.every((count) => Number.isSafeInteger(count) && (count as number) >= 0);
  return isEntry && typeof entry?.sha256 === "string" ? (entry as JournalEntry) : undefined;
}

/** Of each line, whether the ledger has its rows. */
async function verify(folder: string, lines: readonly Line[]): Promise<boolean[]> {
  const path = join(folder, ledgerName);
  try {
    const handle = await open(path, "r");
    try {
      const intact: boolean[] = [];
      for (const { entry } of lines) {
        const rows = await readAt(handle, entry.offset, entry.bytes);
        intact.push(rows.length === entry.bytes && checksum(rows) === entry.sha256);
      }
      return intact;
    } finally {
      await handle.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return lines.map(() => false);
    throw fileError(error, `read ${path}`);
  }
}
