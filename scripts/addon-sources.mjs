// The addon's C++ files, one path a line, for binding/binding.gyp (which stands in binding/ and wants paths from there).
// CMakeLists.txt takes the same two folders.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "./setup/project.mjs";

const binding = join(root, "binding");
const sources = (folder, options) =>
  readdirSync(join(binding, folder), options)
    .filter((name) => name.endsWith(".cpp"))
    .map((name) => join(folder, name).replaceAll("\\", "/"));
const engine = sources("engine", { recursive: true }).filter((source) => !source.includes("cuda/emulation/"));
for (const source of [...sources("."), ...engine].sort()) console.log(source);
