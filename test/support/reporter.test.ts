import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot, runNode } from "../scripts/run-script";
import { temporaryFolder } from "./temporary-folder";

const folder = temporaryFolder();
let runs = 0;

/** Jest in a process of its own, over the given test files, with this project's reporter and transformation. */
function runJest(files: Record<string, string>, environment: NodeJS.ProcessEnv = {}) {
  const rootDir = join(folder, String(++runs));
  mkdirSync(rootDir);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(rootDir, name), content);
  const config = {
    rootDir,
    testMatch: ["<rootDir>/*.test.js"],
    transform: { "^.+\\.ts$": join(projectRoot, "node_modules/@swc/jest") },
    reporters: [join(projectRoot, "test/support/reporter.mjs")],
  };
  const args = [join(projectRoot, "node_modules/jest/bin/jest.js"), "--config", JSON.stringify(config)];
  const env = { ...process.env, CI: "false", ...environment };
  const { code, stdout } = runNode(args, { cwd: rootDir, env });
  return { code, lines: stdout.trimEnd().split("\n") };
}

const sharedFolderModule = JSON.stringify(join(projectRoot, "test", "support", "shared-folder.ts"));
const needsShared = `
  require(${sharedFolderModule}).describeWithShared("golden vectors", (shared) => {
    test("first", () => expect(shared).toBe("/no/shared"));
    test("second", () => {});
  });
  test("other", () => {});`;

test("the last line counts, and every skipped and failed test is named before it", () => {
  const { code, lines } = runJest({
    "a.test.js": `
      test("good", () => {});
      test("bad", () => { throw new Error("no"); });
      test.todo("later");
      test.skip("left out", () => {});
      describe.skip("unfit [skipped: no such machine]", () => test("here", () => {}));`,
    "broken.test.js": "throw new Error('at load');",
  });
  expect(code).toBe(1);
  expect(lines.at(-1)).toBe("Tests: 1 passed, 2 failed, 3 skipped");
  expect(lines).toEqual(
    expect.arrayContaining([
      "  a.test.js: later: not written yet",
      "  a.test.js: left out: no reason given",
      "  a.test.js: unfit > here: no such machine",
      "  a.test.js: bad",
      "  broken.test.js: cannot be run",
    ]),
  );
});

test("without the shared folder its tests are counted as skipped, with the reason", () => {
  const { code, lines } = runJest({ "a.test.js": needsShared }, { HIRE_SNN_SHARED: "/no/shared" });
  expect(code).toBe(0);
  expect(lines.at(-1)).toBe("Tests: 1 passed, 0 failed, 2 skipped");
  expect(lines).toContain(
    "  a.test.js: golden vectors > first: there is no /no/shared; put it there or name it by HIRE_SNN_SHARED",
  );
});

test("without the shared folder CI fails", () => {
  const { code, lines } = runJest(
    { "a.test.js": needsShared },
    { HIRE_SNN_SHARED: "/no/shared", CI: "true" },
  );
  expect(code).toBe(1);
  expect(lines.at(-1)).toBe("Tests: 1 passed, 1 failed, 0 skipped");
});
