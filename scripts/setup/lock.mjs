// A lock between set-ups, of one clone or of all clones that share a cache folder.
//
// The lock is a file that names its holder. A holder that was killed leaves it behind, so a lock is stale when its process
// is gone (same machine), or when its heartbeat has stopped (another machine, or another container, sharing the folder).
import { randomUUID } from "node:crypto";
import {
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { interrupted } from "./processes.mjs";
import { say, SetupError } from "./report.mjs";

/** Process ids mean something only within one such space; containers can share host name and cache folder. */
const space = processSpace();
const heartbeatSeconds = 5;
const silentSeconds = 60;

/**
 * Runs `work` while holding the lock `file`; waits, and says so, while another process holds it.
 * @template T
 * @param {string} file
 * @param {string} what what the holder does, for the one who waits
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(file, what, work, { pollMilliseconds = 250 } = {}) {
  const token = randomUUID();
  await acquire(file, token, what, pollMilliseconds);
  const release = () => removeIf(file, (holder) => holder.token === token);
  // Also when the process ends by process.exit, where `finally` does not run.
  process.on("exit", release);
  const heartbeat = setInterval(() => touch(file), heartbeatSeconds * 1000);
  heartbeat.unref();
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    process.off("exit", release);
    release();
  }
}

async function acquire(file, token, what, pollMilliseconds) {
  makeFolder(dirname(file));
  const self = { token, pid: process.pid, started: processStart(process.pid), host: hostname(), space, what };
  let said = false;
  for (let tries = 0; ; tries++) {
    try {
      writeFileSync(file, JSON.stringify(self), { flag: "wx" });
      return;
    } catch (error) {
      if (error.code !== "EEXIST") {
        throw new SetupError(`The lock ${file} cannot be made: ${error.message}.`, { cause: error });
      }
    }
    const holder = readHolder(file);
    if (holder === null) continue; // Released in between.
    if (isStale(file, holder)) {
      say(`the process that held ${file} (${describe(holder)}) is gone; going on without it`);
      removeIf(file, (now) => now.token === holder.token);
      continue;
    }
    // A lock without a name is most likely being written at this moment.
    if (!said && (holder.token !== undefined || tries >= 4)) {
      said = true;
      say(`waiting for another set-up (${describe(holder)}): ${holder.what ?? "at work"}`);
    }
    await sleep(pollMilliseconds, undefined, { signal: interrupted }).catch(() =>
      interrupted.throwIfAborted(),
    );
  }
}

function makeFolder(folder) {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new SetupError(`The folder ${folder} cannot be made: ${error.message}.`, { cause: error });
  }
}

function describe({ pid, host }) {
  return pid === undefined ? "unknown" : `process ${pid} on ${host}`;
}

/** The holder; `{}` while (or if for ever) the file is not written whole; null if there is no lock. */
function readHolder(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    return error.code === "ENOENT" ? null : {};
  }
}

function isStale(file, holder) {
  if (holder.host === hostname() && holder.space === space && !isRunning(holder)) return true;
  try {
    return Date.now() - statSync(file).mtimeMs > silentSeconds * 1000;
  } catch {
    return false; // Released in between.
  }
}

function isRunning({ pid, started }) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error.code === "ESRCH") return false; // EPERM: it runs, as another user.
  }
  // A process id is used again, in a container soon: the same id with another start is another process.
  const startedNow = processStart(pid);
  return started === null || startedNow === null || started === startedNow;
}

function processSpace() {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return null; // No Linux.
  }
}

/** When a process began, in the kernel's ticks since boot; null where /proc does not say. */
export function processStart(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The program's name may hold spaces and brackets; the start is the 20th field behind it.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
  }
}

/**
 * Removes the lock if its holder is the expected one. It is renamed first: of two processes that both find it stale, the
 * second must not remove the lock that the first has meanwhile taken.
 */
function removeIf(file, isExpected) {
  const aside = `${file}.${randomUUID()}`;
  try {
    renameSync(file, aside);
  } catch {
    return; // Already gone.
  }
  const holder = readHolder(aside);
  if (holder !== null && !isExpected(holder)) {
    try {
      writeFileSync(file, JSON.stringify(holder), { flag: "wx" });
    } catch {
      // Taken by yet another process; the one put aside notices nothing, and its work ends in a rename either way.
    }
  }
  rmSync(aside, { force: true });
}

function touch(file) {
  try {
    const now = new Date();
    utimesSync(file, now, now);
  } catch {
    // Removed by hand: the work goes on, there is only nobody held back any more.
  }
}
