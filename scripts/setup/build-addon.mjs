// Step 4: the addon, by cmake-js.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, freemem } from "node:os";
import { join } from "node:path";
import { addonFile, buildFolder, libtorchRecord, packageFolder, root } from "./project.mjs";
import { capture, run } from "./processes.mjs";
import { say, SetupError } from "./report.mjs";
import { filesUnder, hashOfFiles, Stamp } from "./stamps.mjs";

/** What one compiler needs for libtorch's headers, roughly; more compilers than fit would only swap. */
const bytesPerCompiler = 2e9;

/**
 * @param {import("./libtorch/judge.mjs").Libtorch} libtorch
 * @param {Awaited<ReturnType<typeof import("./prerequisites.mjs").prerequisites>>} tools
 */
export async function buildAddon(libtorch, tools) {
  const configuration = {
    root,
    libtorch,
    tools,
    packages: versionsOf(["cmake-js", "node-addon-api", "node-api-headers"]),
  };
  const inputs = { configuration, sources: hashOfFiles(root, addonInputs()), node: process.version };
  const stamp = new Stamp("addon");
  if (stamp.matches(inputs) && existsSync(addonFile)) return;
  stamp.clear();
  say(`building the addon (${addonFile})`);

  // CMake cannot change compiler or libtorch within one build folder: its cache would keep parts of the old ones.
  const configured = new Stamp("configured");
  if (!configured.matches(configuration) || !existsSync(join(buildFolder, "CMakeCache.txt"))) {
    configured.clear();
    wipeCMakeFiles();
    await cmakeJs("configure", libtorch, tools);
    configured.write(configuration);
  }
  await cmakeJs("build", libtorch, tools);
  await checkThatItLoads(addonFile);
  writeFileSync(
    libtorchRecord,
    `${JSON.stringify({ ...libtorch, compiler: tools.compilerVersion }, null, 2)}\n`,
  );
  stamp.write(inputs);
}

export function addonInputs() {
  return [
    join(root, "CMakeLists.txt"),
    ...filesUnder(join(root, "cmake")),
    ...filesUnder(join(root, "binding"), { skip: ["build"] }),
  ];
}

function versionsOf(names) {
  return Object.fromEntries(
    names.map((name) => {
      const { version } = JSON.parse(readFileSync(join(packageFolder(name), "package.json"), "utf8"));
      return [name, version];
    }),
  );
}

function wipeCMakeFiles() {
  for (const name of ["CMakeCache.txt", "CMakeFiles", "build.ninja", "Makefile", "Release"]) {
    rmSync(join(buildFolder, name), { recursive: true, force: true });
  }
}

/**
 * @param {"configure" | "build"} command
 * @param {{ folder?: string, more?: Record<string, string> }} options of another build than the package's
 */
export async function cmakeJs(command, libtorch, tools, { folder = buildFolder, more = {} } = {}) {
  const definitions = {
    LIBTORCH_ROOT: libtorch.root,
    LIBTORCH_VERSION: libtorch.version,
    LIBTORCH_LIB_DIR: libtorch.libFolder,
    LIBTORCH_OPENMP: libtorch.openmp ?? "",
    CMAKE_MAKE_PROGRAM: tools.make,
    ...more,
  };
  mkdirSync(folder, { recursive: true });
  const args = [
    join(packageFolder("cmake-js"), "bin", "cmake-js"),
    command,
    ...["--directory", root, "--out", folder, "--log-level", "warn"],
    ...["--cmake-path", tools.cmake, "--generator", tools.generator, "--cxx", tools.compiler],
    ...Object.entries(definitions).map(([name, value]) => `--CD${name}=${value}`),
  ];
  if (command === "build") args.push("--parallel", String(compilersAtOnce()));
  const what = command === "configure" ? "CMake's configuration of the addon" : "The build of the addon";
  await run(process.execPath, args, { cwd: root, what });
}

function compilersAtOnce() {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / bytesPerCompiler)));
}

/** In a child: an addon that fails to load may take its process with it. */
export async function checkThatItLoads(file) {
  const result = await capture(process.execPath, ["-e", "require(process.argv[1])", file]);
  if (result.code === 0) return;
  const end = result.signal ? `its process was ended by ${result.signal}` : result.stderr.trim();
  throw new SetupError(`The addon was built but does not load: ${end}`);
}
