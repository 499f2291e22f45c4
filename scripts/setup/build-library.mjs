// Step 5, in a checkout: lib/, the compiled form of src/, by tsc.
import { existsSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { libraryFolder, packageFolder, root, stampFolder } from "./project.mjs";
import { run } from "./processes.mjs";
import { say } from "./report.mjs";
import { filesUnder, hashOfFiles, Stamp } from "./stamps.mjs";

const sourceFolder = join(root, "src");
/** The one file of lib/ that is not compiled. */
const readme = join(libraryFolder, "README.md");

export async function buildLibrary() {
  const sources = filesUnder(sourceFolder).filter((file) => file.endsWith(".ts"));
  const compiler = join(packageFolder("typescript"), "package.json");
  const inputs = {
    sources: hashOfFiles(root, [...sources, join(root, "tsconfig.json")]),
    compiler: hashOfFiles(root, [compiler]),
  };
  const stamp = new Stamp("library");
  const missing = sources.flatMap(compiledForms).filter((file) => !existsSync(file));
  if (stamp.matches(inputs) && missing.length === 0) return;
  stamp.clear();
  say("compiling src/ to lib/");

  // tsc's memory of the last compilation saves most of the time, but believes that its outputs are still there.
  const memory = join(stampFolder, "library.tsbuildinfo");
  if (missing.length > 0) rmSync(memory, { force: true });
  const tsc = join(packageFolder("typescript"), "bin", "tsc");
  const args = [
    "-p",
    root,
    "--incremental",
    "--tsBuildInfoFile",
    memory,
    "--noEmitOnError",
    "--pretty",
    "false",
  ];
  await run(process.execPath, [tsc, ...args], { cwd: root, what: "The compilation of src/ (tsc)" });
  removeLeftovers(new Set([readme, ...sources.flatMap(compiledForms)]));
  stamp.write(inputs);
}

function compiledForms(source) {
  const stem = join(libraryFolder, relative(sourceFolder, source)).replace(/\.ts$/, "");
  // A declaration file is an input of the compiler only.
  if (stem.endsWith(".d")) return [];
  return [".js", ".js.map", ".d.ts"].map((ending) => stem + ending);
}

/** What was compiled from a source that is gone must not be imported by accident, nor be packed. */
function removeLeftovers(wanted) {
  for (const file of filesUnder(libraryFolder)) {
    if (wanted.has(file)) continue;
    rmSync(file);
    for (let folder = dirname(file); folder !== libraryFolder; folder = dirname(folder)) {
      if (readdirSync(folder).length > 0) break;
      rmdirSync(folder);
    }
  }
}
