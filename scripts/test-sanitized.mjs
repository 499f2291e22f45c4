#!/usr/bin/env node
// Runs the tests of the engine, of training and of the addon's lifecycle with AddressSanitizer and UndefinedBehaviorSanitizer compiled
// into the addon, and the multi-step engine on several threads with ThreadSanitizer, in a program without Node:
// `npm run test:sanitized [-- paths of tests]`, which leaves the threads out where paths are given. Needs GCC on Linux. libtorch
// and Node are not instrumented, which hides what they would do wrong themselves, not what the addon does to their memory.
import { join } from "node:path";
import { buildAddon, cmakeJs } from "./setup/build-addon.mjs";
import { buildLibrary } from "./setup/build-library.mjs";
import { libtorch } from "./setup/libtorch/find.mjs";
import { withLock } from "./setup/lock.mjs";
import { main } from "./setup/main.mjs";
import { packages } from "./setup/packages.mjs";
import { prerequisites } from "./setup/prerequisites.mjs";
import { capture, run } from "./setup/processes.mjs";
import { buildFolder, nodeModules, root } from "./setup/project.mjs";
import { say, SetupError } from "./setup/report.mjs";

const folder = join(buildFolder, "sanitized");
const threadsFolder = join(buildFolder, "sanitized-threads");

await main(async (args) => {
  const withThreads = args.length === 0;
  const runtime = await withLock(join(buildFolder, "setup.lock"), "building with sanitizers", async () => {
    const tools = await prerequisites();
    await packages();
    const chosen = await libtorch(tools);
    await buildAddon(chosen, tools);
    await buildLibrary();
    const more = { HIRE_SNN_SANITIZE: "address,undefined" };
    await cmakeJs("configure", chosen, tools, { folder, more });
    await cmakeJs("build", chosen, tools, { folder, more });
    if (withThreads) await buildThreads(chosen, tools);
    return await runtimeOf(tools.compiler, "libasan.so");
  });
  if (withThreads) await runThreads();
  // Without training's test of kills: the command line in other processes, which the runtime would slow down out of all proportion.
  const training = ["calibration", "gradients", "train", "updates"].map(
    (name) => `test/training/${name}.test.ts`,
  );
  const tests = withThreads ? ["test/classifiers", "test/native", ...training] : args;
  say(`running ${tests.join(" ")}`);
  await run(
    process.execPath,
    // In one process after the other: each takes several times the memory.
    [
      "--experimental-vm-modules",
      join(nodeModules, "jest", "bin", "jest.js"),
      "--runInBand",
      "--testTimeout=600000",
      ...tests,
    ],
    {
      cwd: root,
      what: "jest with sanitizers",
      env: {
        ...process.env,
        HIRE_SNN_ADDON: join(folder, "Release", "hire_snn.node"),
        LD_PRELOAD: runtime,
        // Node frees little of what it holds at its end; a test asks for more memory than there is.
        ASAN_OPTIONS: "detect_leaks=0:abort_on_error=1:allocator_may_return_null=1",
        UBSAN_OPTIONS: "print_stacktrace=1",
      },
    },
  );
});

async function buildThreads(chosen, tools) {
  const more = { HIRE_SNN_SANITIZE: "thread" };
  await cmakeJs("configure", chosen, tools, { folder: threadsFolder, more });
  await run(tools.cmake, ["--build", threadsFolder, "--target", "engine_parity", "--parallel", "2"], {
    cwd: root,
    what: "The build of engine_parity with ThreadSanitizer",
  });
}

async function runThreads() {
  say("running the engine on several threads");
  const suppressions = join(root, "test", "engine", "tsan-suppressions.txt");
  await run(join(threadsFolder, "test", "engine", "engine_parity"), ["threads"], {
    cwd: root,
    what: "engine_parity with ThreadSanitizer",
    env: { ...process.env, TSAN_OPTIONS: `halt_on_error=1:suppressions=${suppressions}` },
  });
}

/** The sanitizer's library has to be in the process before Node's own allocator is first called. */
async function runtimeOf(compiler, library) {
  const { stdout } = await capture(compiler, [`-print-file-name=${library}`]);
  const path = stdout.trim();
  if (path.includes("/")) return path;
  throw new SetupError(
    `Expected ${library} beside ${compiler} but there is none; GCC's sanitizers are in libasan and libubsan.`,
  );
}
