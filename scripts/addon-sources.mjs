// The addon's C++ files, one path a line, for binding/binding.gyp (which stands in binding/ and wants paths from there).
// CMakeLists.txt takes the same two folders.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "./setup/project.mjs";

for (const folder of ["", "engine"]) {
  const names = readdirSync(join(root, "binding", folder)).filter((name) => name.endsWith(".cpp"));
  for (const name of names.sort()) console.log(folder === "" ? name : `${folder}/${name}`);
}
