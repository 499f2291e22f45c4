#!/usr/bin/env node
// Compares the package with the Python reference in scripts/reference: `npm run test:reference [-- --full]`.
//
// Makes the reference's virtual environment, lets it check itself, has it compute what the tests in test/reference compare with,
// and runs those. --full: more images for what is slow (see scripts/reference/make_fixtures.py); --keep: leaves the computed
// files, and says where; --fixtures DIR: uses those of an earlier run; --only NAME: of the files in test/reference, those whose names
// have this in them; --part NAME: of the parts of what is computed, those whose names have this in them (see the end of
// make_fixtures.py), as --part training for --only training.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { cifarFolder } from "./reference/data.mjs";
import { peersPython } from "./bench/environment.mjs";
import { frameworks } from "./export/packages.mjs";
import { referenceFolder } from "./reference/environment.mjs";
import { runJest } from "./run-jest.mjs";
import { main } from "./setup/main.mjs";
import { run } from "./setup/processes.mjs";
import { elapsedSeconds, say } from "./setup/report.mjs";

await main(async (args) => {
  const { values } = parseArgs({
    args,
    options: {
      full: { type: "boolean" },
      keep: { type: "boolean" },
      fixtures: { type: "string" },
      only: { type: "string", default: "" },
      part: { type: "string", default: "" },
    },
  });
  const { folder: data, missing } = await cifarFolder();
  const { python, environment, missing: missingFrameworks } = await peersPython(frameworks);
  const always = {
    HIRE_SNN_REFERENCE_PYTHON: python,
    HIRE_SNN_REFERENCE_FRAMEWORKS: JSON.stringify({
      path: environment.PYTHONPATH,
      missing: missingFrameworks,
    }),
  };
  if (missing !== null) {
    await runReferenceTests(values.only, { ...always, HIRE_SNN_REFERENCE_MISSING: missing });
    return;
  }
  const fixtures = values.fixtures
    ? resolve(values.fixtures)
    : mkdtempSync(join(tmpdir(), "hire-snn-reference-"));
  try {
    if (!values.fixtures) await makeFixtures(python, data, fixtures, values);
    if (values.keep) say(`the reference's files stay in ${fixtures}`);
    await runReferenceTests(values.only, {
      ...always,
      HIRE_SNN_REFERENCE_FIXTURES: fixtures,
      HIRE_SNN_REFERENCE_DATA: data,
      ...(values.full && { HIRE_SNN_REFERENCE_FULL: "1" }),
    });
  } finally {
    // Gigabytes: only on request do they stay.
    if (!values.keep && !values.fixtures) rmSync(fixtures, { recursive: true, force: true });
  }
});

async function makeFixtures(python, data, fixtures, { full, part }) {
  await run(python, ["-m", "unittest", "--quiet"], {
    cwd: referenceFolder,
    what: "the reference's own check",
  });
  say("running the reference");
  const args = [join(referenceFolder, "make_fixtures.py"), data, fixtures, "--only", part];
  if (full) args.push("--full");
  // Threads that wait asleep: on a machine that does something else besides, spinning ones cost several times the run.
  const env = { OMP_WAIT_POLICY: "passive", ...process.env };
  await run(python, args, { env, what: "the reference" });
  say(`the reference is done (${elapsedSeconds()} s)`);
}

/** In one process: both sides compute on all cores, and the traces of a large network are large. */
async function runReferenceTests(only, environment) {
  await runJest(["--runInBand", `test/reference/.*${only}`], { ...environment, HIRE_SNN_TESTS: "reference" });
}
