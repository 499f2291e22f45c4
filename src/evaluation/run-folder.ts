import { createReadStream } from "node:fs";
import { mkdir, open, rename, stat, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { HireSnnError } from "../errors";
import type { LedgerRow } from "./ledger-row";
import type { RunConfig } from "./run-config";

const configName = "config.json";
const ledgerName = "ledger.jsonl";
const resultsName = "results.json";

/**
 * The folder of a run: `config.json` (identity and execution), `ledger.jsonl` (one row per sample and attack), `results.json`
 * (derived from the ledger). Each batch of rows is on the disk before the next batch is computed.
 */
export class RunFolder {
  private constructor(
    readonly path: string,
    private readonly ledger: FileHandle,
  ) {}

  /**
   * Begins a run in a folder, which is made if it does not exist.
   *
   * @throws HireSnnError INVALID_ARGUMENT if the folder holds a ledger already; IO if it cannot be written
   */
  static async create(path: string, config: RunConfig): Promise<RunFolder> {
    const ledgerPath = join(path, ledgerName);
    await RunFolder.requireUnused(path);
    try {
      await mkdir(path, { recursive: true });
      await writeDurably(path, configName, json(config));
      const ledger = await open(ledgerPath, "ax");
      await syncFolder(path);
      return new RunFolder(path, ledger);
    } catch (error) {
      // Another process was faster.
      if ((error as NodeJS.ErrnoException).code === "EEXIST" && (await exists(ledgerPath)))
        throw occupied(ledgerPath);
      throw ioError(error, `create the run folder ${path}`);
    }
  }

  /**
   * Says before anything is computed what create() would say after it.
   *
   * @throws HireSnnError INVALID_ARGUMENT if the folder holds a ledger
   */
  static async requireUnused(path: string): Promise<void> {
    const ledgerPath = join(path, ledgerName);
    if (await exists(ledgerPath)) throw occupied(ledgerPath);
  }

  /** Appends rows and waits until they are on the disk. */
  async append(rows: readonly LedgerRow[]): Promise<void> {
    try {
      await this.ledger.appendFile(rows.map((row) => `${JSON.stringify(row)}\n`).join(""), "utf8");
      await this.ledger.datasync();
    } catch (error) {
      throw ioError(error, `append to ${join(this.path, ledgerName)} (the batches before are safe)`);
    }
  }

  rows(): AsyncIterable<LedgerRow> {
    return readLedger(this.path);
  }

  async writeResults(results: unknown): Promise<void> {
    try {
      await writeDurably(this.path, resultsName, json(results));
    } catch (error) {
      throw ioError(error, `write ${join(this.path, resultsName)}`);
    }
  }

  async close(): Promise<void> {
    await this.ledger.close();
  }
}

/**
 * The rows of a run, in order, read line by line.
 *
 * @param folder the run's folder
 * @throws HireSnnError IO if there is no ledger, or a line is not a row
 */
export async function* readLedger(folder: string): AsyncGenerator<LedgerRow> {
  const path = join(folder, ledgerName);
  let rest = "";
  let number = 0;
  try {
    for await (const piece of createReadStream(path, "utf8") as AsyncIterable<string>) {
      const lines = (rest + piece).split("\n");
      rest = lines.pop() as string;
      for (const line of lines) {
        number++;
        yield JSON.parse(line) as LedgerRow;
      }
    }
    number++;
    if (rest !== "") throw new SyntaxError("a line without its end");
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new HireSnnError(
        "IO",
        `Expected a row of JSON in line ${number} of ${path} but found: ${error.message}`,
        {
          cause: error,
        },
      );
    }
    throw ioError(error, `read ${path}`);
  }
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** Writes a file so that, whatever happens, it is either absent or whole. */
async function writeDurably(folder: string, name: string, text: string): Promise<void> {
  const partial = join(folder, `${name}.part`);
  const handle = await open(partial, "w");
  try {
    await handle.writeFile(text, "utf8");
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(partial, join(folder, name));
  await syncFolder(folder);
}

/** Makes new names in a folder durable, where the system has that notion. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function occupied(ledgerPath: string): HireSnnError {
  return new HireSnnError(
    "INVALID_ARGUMENT",
    `Expected a folder without a run for out but found ${ledgerPath}; name another folder, or remove that one if its figures ` +
      "are not needed",
  );
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}

function ioError(error: unknown, doing: string): unknown {
  // By its code and not its class: an error of node:fs may be of another realm than this module.
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof HireSnnError || typeof code !== "string") return error;
  return new HireSnnError("IO", `Could not ${doing}: ${message}`, { cause: error });
}
