#!/usr/bin/env node
// Formats binding/ by clang-format, or (without --write) fails if a file is not formatted. The version is pinned, and
// taken from PyPI into the cache folder where the machine has another: versions differ in what they consider formatted.
import { join } from "node:path";
import { main } from "./setup/main.mjs";
import { capture, findPrograms, run } from "./setup/processes.mjs";
import { root } from "./setup/project.mjs";
import { toolFromPypi } from "./setup/pypi.mjs";
import { say, SetupError } from "./setup/report.mjs";
import { filesUnder } from "./setup/stamps.mjs";

const pinned = { package: "clang-format", version: "23.1.1", program: "clang_format/data/bin/clang-format" };

await main(async (args) => {
  const unknown = args.find((argument) => argument !== "--write");
  if (unknown !== undefined) throw new SetupError(`Unknown argument "${unknown}"; expected none or --write.`);
  const write = args.includes("--write");
  const binding = join(root, "binding");
  const files = filesUnder(binding, { skip: ["build"] }).filter((file) => /\.(cpp|h|inl)$/.test(file));
  const mode = write ? ["-i"] : ["--dry-run", "--Werror"];
  await run(await clangFormat(), [...mode, ...files], {
    cwd: root,
    what: "clang-format",
    hint: write ? "" : "\n`npm run format` formats the files named there.",
  });
  say(`${files.length} C++ files ${write ? "formatted" : "are formatted"}`);
});

async function clangFormat() {
  for (const program of findPrograms(["clang-format", `clang-format-${pinned.version.split(".")[0]}`])) {
    const { stdout } = await capture(program, ["--version"]);
    if (stdout.includes(`version ${pinned.version}`)) return program;
  }
  return toolFromPypi(pinned);
}
