import { mkdir, open, readdir, readFile, rm, stat, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { HireSnnError } from "../errors";
import { formatJson, syncFolder, writeAt, writeDurably } from "./durable-file";
import { fileError, reportFileSizeLimit } from "./file-errors";
import { describeDifferences, differences } from "./json-difference";
import { readLedger } from "./ledger";
import { checksum, formatEntry, journalName, ledgerName, readCommitted } from "./ledger-journal";
import type { LedgerRow } from "./ledger-row";
import { ResourceStack } from "./resource-stack";
import type { RunConfig } from "./run-config";
import { RunLock } from "./run-lock";

const configName = "config.json";
const resultsName = "results.json";

/**
 * The folder of a run: `config.json` (identity and execution), `ledger.jsonl` (one row per sample and attack), `checksums.jsonl` (one
 * line per batch of rows that is in the ledger for good), `results.json` (derived from the ledger). Each batch is on the disk before
 * the next one is computed. One process at a time writes into it.
 */
export class RunFolder {
  private constructor(
    readonly path: string,
    /** The lock and the two files. */
    private readonly opened: ResourceStack,
    private readonly lock: RunLock,
    private readonly ledger: FileHandle,
    private readonly journal: FileHandle,
    /** What `config.json` says. */
    private config: RunConfig,
    private ledgerBytes: number,
    private journalBytes: number,
    /** The first sample that is not in the ledger. */
    private next: number,
  ) {}

  /**
   * Begins a run in a folder, which is made if it does not exist.
   *
   * @throws HireSnnError INVALID_ARGUMENT if the folder holds a run already; RUN_LOCKED if another process works on it; IO or
   *   DISK_FULL if it cannot be written
   */
  static async create(path: string, config: RunConfig): Promise<RunFolder> {
    return await RunFolder.locked(path, async (lock, opened) => {
      await RunFolder.requireUnused(path);
      return await RunFolder.begin(path, config, lock, opened);
    });
  }

  /**
   * Begins a run in the place of all that a folder holds.
   *
   * @throws HireSnnError RUN_LOCKED if another process works on it; IO or DISK_FULL as {@link create}
   */
  static async replace(path: string, config: RunConfig): Promise<RunFolder> {
    return await RunFolder.locked(path, async (lock, opened) => {
      for (const name of await readdir(path)) {
        if (!RunLock.isFile(name)) await rm(join(path, name), { recursive: true });
      }
      return await RunFolder.begin(path, config, lock, opened);
    });
  }

  /**
   * Opens the run in a folder to go on with it: with what is committed, without what an interruption left of a batch. A folder without
   * a run gets one. Its configuration is as it was until {@link goOn}.
   *
   * @param config with the same identity and shard
   * @throws HireSnnError RUN_MISMATCH if the folder holds another run, with the differences; RUN_CORRUPT if its ledger was changed;
   *   RUN_LOCKED, IO or DISK_FULL as {@link create}
   */
  static async resume(path: string, config: RunConfig): Promise<RunFolder> {
    return await RunFolder.locked(path, async (lock, opened) => {
      const before = await readConfig(path);
      if (!before || !(await exists(join(path, ledgerName)))) {
        return await RunFolder.begin(path, config, lock, opened);
      }
      requireSameRun(path, before, config);
      const { entries, ledgerBytes, journalBytes, nextSample } = await readCommitted(path);
      const [first] = entries;
      const { begin } = config.execution.range;
      if (first && first.firstSample !== begin) {
        throw new HireSnnError(
          "RUN_CORRUPT",
          `Expected ${join(path, journalName)} to begin at sample ${begin} but it begins at ${first.firstSample}`,
        );
      }
      const [ledger, journal] = await openFiles(path, "r+", opened);
      await ledger.truncate(ledgerBytes);
      await journal.truncate(journalBytes);
      const next = nextSample ?? begin;
      return new RunFolder(path, opened, lock, ledger, journal, before, ledgerBytes, journalBytes, next);
    });
  }

  /**
   * Says before anything is computed what create() would say after it.
   *
   * @throws HireSnnError INVALID_ARGUMENT if the folder holds a ledger
   */
  static async requireUnused(path: string): Promise<void> {
    const ledgerPath = join(path, ledgerName);
    if (!(await exists(ledgerPath))) return;
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected a folder without a run for out but found ${ledgerPath}; go on with that run by --resume (resume: true), name another ` +
        "folder, or remove that one if its figures are not needed",
    );
  }

  /** Whether there is nothing in the folder that could be gone on with. */
  static async isUnused(path: string): Promise<boolean> {
    return !(await exists(join(path, configName))) || !(await exists(join(path, ledgerName)));
  }

  /** @param body adds to `opened` what it opens; the folder that it returns owns that */
  private static async locked(
    path: string,
    body: (lock: RunLock, opened: ResourceStack) => Promise<RunFolder>,
  ): Promise<RunFolder> {
    const opened = new ResourceStack();
    try {
      return await opened.whileOpening(async () => {
        opened.defer(reportFileSizeLimit());
        const lock = await RunLock.acquire(path);
        opened.defer(() => lock.release());
        return await body(lock, opened);
      });
    } catch (error) {
      throw fileError(error, `open the run folder ${path}`);
    }
  }

  private static async begin(
    path: string,
    config: RunConfig,
    lock: RunLock,
    opened: ResourceStack,
  ): Promise<RunFolder> {
    await mkdir(path, { recursive: true });
    await writeDurably(path, configName, formatJson(config));
    const [ledger, journal] = await openFiles(path, "w+", opened);
    await syncFolder(path);
    return new RunFolder(path, opened, lock, ledger, journal, config, 0, 0, config.execution.range.begin);
  }

  /**
   * Notes that the run is gone on with. The new execution takes the place of the earlier one; what stays is when the run was begun and
   * which shards it was merged from.
   */
  async goOn({ execution }: RunConfig): Promise<void> {
    const { startedAt, resumptions = [], merged } = this.config.execution;
    const resumption = {
      startedAt: execution.startedAt,
      samplesBefore: this.next - this.config.execution.range.begin,
    };
    await this.writeConfig({
      ...execution,
      startedAt,
      ...(merged && { merged }),
      resumptions: [...resumptions, resumption],
    });
  }

  /** Notes that pictures of more samples are there; for a run that is finished, whose execution is not another one by that. */
  async addPictures(samples: readonly number[]): Promise<void> {
    const { saves } = this.config.execution;
    const png = [...new Set([...(saves?.png ?? []), ...samples])].sort((a, b) => a - b);
    if (png.length === (saves?.png.length ?? 0)) return;
    await this.writeConfig({
      ...this.config.execution,
      saves: { adversarial: saves?.adversarial ?? false, png },
    });
  }

  private async writeConfig(execution: RunConfig["execution"]): Promise<void> {
    this.lock.requireHeld();
    this.config = { ...this.config, execution };
    try {
      await writeDurably(this.path, configName, formatJson(this.config));
    } catch (error) {
      throw this.writeError(error, `write ${join(this.path, configName)}`);
    }
  }

  /** The first sample that is not in the ledger. */
  get nextSample(): number {
    return this.next;
  }

  /**
   * Appends the rows of the next samples and waits until they are on the disk.
   *
   * @param samples how many samples the rows are of
   */
  async append(rows: readonly LedgerRow[], samples: number): Promise<void> {
    this.lock.requireHeld();
    const bytes = Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(""), "utf8");
    await this.appendBytes(bytes, samples);
  }

  /** As {@link append}, of rows as they are in the file. */
  async appendBytes(bytes: Buffer, samples: number): Promise<void> {
    const entry = {
      ...{ firstSample: this.next, samples, offset: this.ledgerBytes, bytes: bytes.length },
      sha256: checksum(bytes),
    };
    const line = Buffer.from(formatEntry(entry));
    try {
      await writeAt(this.ledger, bytes, this.ledgerBytes);
      await this.ledger.datasync();
      // Only now: a line in the journal says that its rows are there.
      await writeAt(this.journal, line, this.journalBytes);
      await this.journal.datasync();
    } catch (error) {
      // Room is given back where that is possible; where not, resuming drops the torn end.
      await this.ledger.truncate(this.ledgerBytes).catch(() => undefined);
      await this.journal.truncate(this.journalBytes).catch(() => undefined);
      throw this.writeError(error, `append to ${join(this.path, ledgerName)}`);
    }
    this.ledgerBytes += bytes.length;
    this.journalBytes += line.length;
    this.next += samples;
  }

  /** The rows that are committed. */
  rows(): AsyncIterable<LedgerRow> {
    return readLedger(this.path, this.ledgerBytes);
  }

  async writeResults(results: unknown): Promise<void> {
    this.lock.requireHeld();
    try {
      await writeDurably(this.path, resultsName, formatJson(results));
    } catch (error) {
      throw this.writeError(error, `write ${join(this.path, resultsName)}`);
    }
  }

  /** What `results.json` says; undefined if there is none. */
  async readResults(): Promise<unknown> {
    return await readJson(join(this.path, resultsName));
  }

  /** An error in writing for this run, which says what is safe and how to go on. */
  writeError(error: unknown, doing: string): unknown {
    return fileError(
      error,
      doing,
      `All samples before number ${this.next} are safe in ${this.path}; when there is room again, the same command with --resume ` +
        "(resume: true) goes on there",
    );
  }

  async close(): Promise<void> {
    await this.opened.release();
  }
}

/**
 * The configuration of the run in a folder.
 *
 * @returns undefined if there is none
 * @throws HireSnnError IO if it is not JSON
 */
export async function readConfig(folder: string): Promise<RunConfig | undefined> {
  return (await readJson(join(folder, configName))) as RunConfig | undefined;
}

/** The results of the run in a folder; undefined if it is not finished. */
export async function readResults(folder: string): Promise<unknown> {
  return await readJson(join(folder, resultsName));
}

function requireSameRun(path: string, before: RunConfig, now: RunConfig): void {
  const shard = ({ range, shard: part }: RunConfig["execution"]): object => ({ shard: part ?? null, range });
  const found = [
    ...differences({ schemaVersion: before.schemaVersion }, { schemaVersion: now.schemaVersion }),
    ...differences(before.identity, now.identity),
    ...differences(shard(before.execution), shard(now.execution)),
  ];
  if (found.length === 0) return;
  throw new HireSnnError(
    "RUN_MISMATCH",
    `Expected the run that ${path} holds but this one is another:\n${describeDifferences(found)}\n` +
      "Its figures would not be those of one run. Go on as it was begun, or name another folder",
  );
}

async function openFiles(
  path: string,
  flags: string,
  opened: ResourceStack,
): Promise<[ledger: FileHandle, journal: FileHandle]> {
  const journalPath = join(path, journalName);
  const ledger = await open(join(path, ledgerName), flags);
  opened.defer(() => ledger.close());
  // The journal may be missing where a run was interrupted between making the two.
  const journal = await open(journalPath, (await exists(journalPath)) ? flags : "w+");
  opened.defer(() => journal.close());
  return [ledger, journal];
}

async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw fileError(error, `read ${path}`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new HireSnnError("IO", `Expected JSON in ${path} but found: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}
