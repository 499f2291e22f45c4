import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder of the test's own, removed after the file's tests. Call it at the top level or in a describe. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "hire-snn-test-"));
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}
