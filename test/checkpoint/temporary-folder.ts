import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder of one test file, removed after its tests. */
export function temporaryFolder(): { write(name: string, content: string | Uint8Array): string } {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "hire-snn-test-"));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    write(name, content) {
      const path = join(folder, name);
      writeFileSync(path, content);
      return path;
    },
  };
}

/** The code and message of the error that a call throws. */
export function errorOf(call: () => unknown): { code: string; message: string } {
  try {
    call();
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return { code, message };
  }
  throw new Error("Expected an error, but there was none.");
}

/** Jest's matchers, of the type of what they match. */
export const containing = (text: string): string => expect.stringContaining(text) as string;
export const matching = (pattern: RegExp): string => expect.stringMatching(pattern) as string;
