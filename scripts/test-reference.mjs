#!/usr/bin/env node
// Compares the package with the Python reference in scripts/reference: `npm run test:reference [-- --full]`.
//
// Makes the reference's virtual environment, lets it check itself, has it compute what the tests in test/reference compare with,
// and runs those. --full: more images for what is slow (see scripts/reference/make_fixtures.py); --keep: leaves the computed
// files, and says where; --fixtures DIR: uses those of an earlier run.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { cifarFolder } from "./reference/data.mjs";
import { referenceFolder, referencePython } from "./reference/environment.mjs";
import { main } from "./setup/main.mjs";
import { run } from "./setup/processes.mjs";
import { root } from "./setup/project.mjs";
import { elapsedSeconds, say } from "./setup/report.mjs";

await main(async (args) => {
  const { values } = parseArgs({
    args,
    options: { full: { type: "boolean" }, keep: { type: "boolean" }, fixtures: { type: "string" } },
  });
  const { folder: data, missing } = await cifarFolder();
  if (missing !== null) {
    await runTests({ HIRE_SNN_REFERENCE_MISSING: missing });
    return;
  }
  const fixtures = values.fixtures
    ? resolve(values.fixtures)
    : mkdtempSync(join(tmpdir(), "hire-snn-reference-"));
  const remove = () => rmSync(fixtures, { recursive: true, force: true });
  try {
    if (!values.fixtures) await makeFixtures(data, fixtures, values.full);
    await runTests({
      HIRE_SNN_REFERENCE_FIXTURES: fixtures,
      HIRE_SNN_REFERENCE_DATA: data,
      ...(values.full && { HIRE_SNN_REFERENCE_FULL: "1" }),
    });
  } finally {
    // Gigabytes: only on request do they stay.
    if (values.keep) say(`the reference's files are in ${fixtures}`);
    else if (!values.fixtures) remove();
  }
});

async function makeFixtures(data, fixtures, full) {
  const python = await referencePython();
  await run(python, ["-m", "unittest", "--quiet"], {
    cwd: referenceFolder,
    what: "the reference's own check",
  });
  say("running the reference");
  const args = [join(referenceFolder, "make_fixtures.py"), data, fixtures, ...(full ? ["--full"] : [])];
  await run(python, args, { what: "the reference" });
  say(`the reference is done (${elapsedSeconds()} s)`);
}

/** In one process: both sides compute on all cores, and the traces of a large network are large. */
async function runTests(environment) {
  await run(process.execPath, [join(root, "node_modules", "jest", "bin", "jest.js"), "--runInBand"], {
    cwd: root,
    env: { ...process.env, ...environment, HIRE_SNN_TESTS: "reference" },
    what: "the comparison with the reference",
  });
}
