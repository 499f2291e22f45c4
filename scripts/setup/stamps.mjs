// How the set-up knows that a step needs not be done again: a stamp holds the fingerprint of all that went into it.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { stampFolder } from "./project.mjs";

/** Files under a folder, sorted; `skip` names folders (relative to it) that are left out. */
export function filesUnder(folder, { skip = [] } = {}) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .filter((file) => !skip.some((name) => relative(folder, file).startsWith(`${name}/`)))
    .sort();
}

/** A hash over names and contents: what a fresh checkout, a moved clone or `touch` change does not count. */
export function hashOfFiles(base, files) {
  const hash = createHash("sha256");
  for (const file of files) {
    const content = readFileSync(file);
    hash.update(`${relative(base, file)}\0${content.length}\0`).update(content);
  }
  return hash.digest("hex");
}

/** Size and time of a file too large to hash, or null if there is none. */
export function fileState(file) {
  try {
    const { size, mtimeMs } = statSync(file);
    return `${size} bytes, ${mtimeMs}`;
  } catch {
    return null;
  }
}

/** Names one by one the inputs of a step; equal objects mean that nothing has to be done. */
export class Stamp {
  #file;
  constructor(name, folder = stampFolder) {
    this.#file = join(folder, `${name}.json`);
  }

  /** The recorded inputs, or null if the step never finished. */
  read() {
    try {
      return JSON.parse(readFileSync(this.#file, "utf8"));
    } catch {
      return null;
    }
  }

  /** The names of the inputs that differ from the recorded ones; null if nothing is recorded. */
  differences(inputs) {
    const before = this.read();
    if (before === null) return null;
    const names = new Set([...Object.keys(before), ...Object.keys(inputs)]);
    return [...names].filter((name) => JSON.stringify(before[name]) !== JSON.stringify(inputs[name]));
  }

  matches(inputs) {
    return this.differences(inputs)?.length === 0;
  }

  /** Called before the step begins, so that an interrupted step is not taken as done. */
  clear() {
    rmSync(this.#file, { force: true });
  }

  write(inputs) {
    mkdirSync(dirname(this.#file), { recursive: true });
    // Renamed into place: a stamp is there whole or not at all.
    const partial = `${this.#file}.partial`;
    writeFileSync(partial, JSON.stringify(inputs, null, 2));
    renameSync(partial, this.#file);
  }
}
