import { existsSync } from "node:fs";
import { join } from "node:path";
import { openCheckpoint } from "../../src/checkpoint/open-checkpoint";
import { temporaryFolder as canaryFolder } from "../support/temporary-folder";
import { hostilePickles } from "./hostile-pickles";
import { bytes, ascii, joined, legacyFile, zipCheckpoint } from "./mini-pickler";
import { errorOf, temporaryFolder } from "./temporary-folder";

const folder = temporaryFolder();
const canary = join(canaryFolder(), "canary");

// That Python runs them is shown by test/reference/checkpoints.test.ts.
describe.each(hostilePickles(`touch ${canary}`))("$name", ({ object, code }) => {
  test.each([
    ["the legacy form", legacyFile(object)],
    ["the zip form", zipCheckpoint(object)],
    ["a plain pickle", joined(bytes(0x80, 4), object, ascii("."))],
  ])("in %s is refused, and nothing has run", (form, content) => {
    const start = performance.now();
    const found = errorOf(() => openCheckpoint(folder.write("hostile.pt", content)));
    // A pickle that is no checkpoint and names no code is only said to be none.
    const expected = form === "a plain pickle" && code !== "CHECKPOINT_UNSAFE" ? "CHECKPOINT_FORMAT" : code;
    expect(found.code).toBe(expected);
    expect(performance.now() - start).toBeLessThan(5000);
    expect(existsSync(canary)).toBe(false);
  });
});
