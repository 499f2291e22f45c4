import { createReadStream } from "node:fs";
import { join } from "node:path";
import { HireSnnError } from "../errors";
import { fileError } from "./file-errors";
import { ledgerName } from "./ledger-journal";
import type { LedgerRow } from "./ledger-row";

/**
 * The rows of a run, in order, read line by line.
 *
 * @param folder the run's folder
 * @param bytes read no further than this, for a ledger whose end is not committed; see {@link readCommitted}
 * @throws HireSnnError IO if there is no ledger, or a line is not a row
 */
export async function* readLedger(folder: string, bytes = Infinity): AsyncGenerator<LedgerRow> {
  const path = join(folder, ledgerName);
  if (bytes === 0) return;
  let rest = "";
  let number = 0;
  try {
    const stream = createReadStream(path, { encoding: "utf8", end: bytes - 1 });
    for await (const piece of stream as AsyncIterable<string>) {
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
        { cause: error },
      );
    }
    throw fileError(error, `read ${path}`);
  }
}
