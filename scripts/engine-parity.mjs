// Builds engine_parity (test/engine/engine_parity.cpp) and runs it with the given arguments. Where CUDA's compiler is on the
// PATH, the kernels are compiled with it too: a machine without a GPU cannot run them, but can show that they compile.
//
//   node scripts/engine-parity.mjs small [--device emulated|cuda|multistep]
//   node scripts/engine-parity.mjs threads
//   node scripts/engine-parity.mjs training [--device cuda]
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { findPrograms, run } from "./setup/processes.mjs";
import { prerequisites } from "./setup/prerequisites.mjs";
import { buildFolder, root } from "./setup/project.mjs";
import { say } from "./setup/report.mjs";

const architectures = ["sm_80", "sm_90"];
const engine = join(root, "binding", "engine");

const { cmake } = await prerequisites();
const target = [
  "--build",
  buildFolder,
  "--target",
  "engine_parity",
  "--parallel",
  String(availableParallelism()),
];
await run(cmake, target, { cwd: root, what: "The build of engine_parity" });

const [nvcc] = findPrograms(["nvcc"]);
if (nvcc === undefined) {
  say("nvcc is not on the PATH: the CUDA kernels are run on the host, but not compiled for a GPU");
} else {
  for (const architecture of architectures) {
    for (const split of ["true", "false"]) {
      const definitions = ["SURROGATE_SHAPE=0", "SURROGATE_SCALE=0", `SPLIT=${split}`];
      const args = ["-std=c++17", `-arch=${architecture}`, "-fmad=false", "-cubin", "-o", "/dev/null"];
      args.push("-I", join(root, "binding"), "-I", engine);
      args.push(...definitions.map((definition) => `-DHIRE_SNN_${definition}`));
      args.push(join(engine, "cuda", "kernels", "kernels.cu"));
      await run(nvcc, args, { cwd: root, what: `Compiling the CUDA kernels for ${architecture}` });
    }
    say(`the CUDA kernels compile for ${architecture}`);
  }
}

const program = join(buildFolder, "test", "engine", "engine_parity");
await run(program, process.argv.slice(2), { cwd: root, what: "engine_parity" });
