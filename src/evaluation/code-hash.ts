import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";

/** Folders of this package whose code decides figures. */
const computing = [
  ...["attacks", "checkpoint", "classifiers", "datasets", "energy", "evaluation"],
  ...["native", "networks", "tensor"],
];
const compiled = /(?<!\.d)\.[jt]s$/;
const native = /\.(cpp|h|inl|cu|cuh)$|CMakeLists\.txt$/;

let hash: string | undefined;

/**
 * SHA-256, in hex, over the code of this package that decides figures, by name and content: the modules of the computing folders as
 * they run here, and the addon's sources. It is computed once for a process.
 */
export function codeHash(): string {
  hash ??= hashOf([
    ...computing.flatMap((folder) => filesUnder(join(__dirname, "..", folder), compiled)),
    ...filesUnder(join(__dirname, "..", "..", "binding"), native),
  ]);
  return hash;
}

function hashOf(files: readonly string[]): string {
  const total = createHash("sha256");
  for (const file of files) {
    const content = readFileSync(file);
    const name = relative(join(__dirname, "..", ".."), file)
      .split(sep)
      .join("/");
    total.update(`${name}\0${content.length}\0`).update(content);
  }
  return total.digest("hex");
}

/** Sorted; none where there is no such folder. */
function filesUnder(folder: string, pattern: RegExp): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => pattern.test(name) && !name.split(sep).includes("build"))
      .sort()
      .map((name) => join(folder, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
