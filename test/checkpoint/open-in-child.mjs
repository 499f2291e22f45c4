// Opens one file in a process of its own and prints what became of it, how long it took and how much memory it added at its
// highest: `node open-in-child.mjs FILE`. Where the file is read, all its tensors are, one after the other.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const { openCheckpoint } = createRequire(import.meta.url)("../../lib/checkpoint/open-checkpoint.js");

/** The highest that this process has taken. Linux counts the parent's in what getrusage says, but not here. */
function highestBytes() {
  const status = "/proc/self/status";
  const kilobytes = existsSync(status)
    ? Number(/^VmHWM:\s*(\d+) kB/m.exec(readFileSync(status, "utf8"))?.[1])
    : process.resourceUsage().maxRSS;
  return kilobytes * 1024;
}

function open(path) {
  try {
    const checkpoint = openCheckpoint(path);
    try {
      for (const key of checkpoint.tensors.keys()) checkpoint.read(key);
      return { code: "", message: "", tensors: checkpoint.tensors.size };
    } finally {
      checkpoint.close();
    }
  } catch (error) {
    return { code: error.code ?? error.name, message: error.message };
  }
}

const folder = mkdtempSync(join(tmpdir(), "hire-snn-child-"));
try {
  // What the program itself takes is not the file's.
  const small = join(folder, "small.pt");
  writeFileSync(small, Buffer.from("\x80\x02}q\x00X\x01\0\0\0aK\x01s.", "latin1"));
  open(small);
} finally {
  rmSync(folder, { recursive: true });
}
const before = highestBytes();
const start = performance.now();
const result = open(process.argv[2]);
const seconds = (performance.now() - start) / 1000;
const addedBytes = highestBytes() - before;
process.stdout.write(`${JSON.stringify({ ...result, seconds, addedBytes })}\n`);
