import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { mkdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { lock, type LockOptions } from "proper-lockfile";
import { HireSnnError } from "../errors";
import { fileError } from "./file-errors";

const lockName = "run.lock";
const guardName = "run.lock.guard";
const holderName = "run.lock.json";

/** A holder on another machine or in another container is taken for dead when it gave no sign of life for this long. */
const staleMilliseconds = 30_000;

/** Who holds a lock: a process id means something on its host and in its process space only. */
interface Holder {
  readonly pid: number;
  readonly started: string | null;
  readonly host: string;
  readonly space: string | null;
}

/**
 * The right to write into a folder, which one process has at a time. The lock of a process that has ended, by whatever means, is taken
 * over: at once where its process id can be looked up, else when its sign of life has stopped.
 */
export class RunLock {
  private lost = false;
  private released = false;

  private constructor(
    private readonly folder: string,
    private readonly unlock: () => Promise<void>,
  ) {}

  /**
   * @param folder is made if it does not exist
   * @throws HireSnnError RUN_LOCKED if another process, or another run of this one, holds it; IO
   */
  static async acquire(folder: string): Promise<RunLock> {
    try {
      await mkdir(folder, { recursive: true });
      // Looking at a lock and taking it over must be one step: another process may be doing the same.
      const leave = await acquireOrNull(folder, guardName, {
        stale: 5_000,
        retries: { retries: 60, minTimeout: 50, maxTimeout: 250 },
      });
      if (!leave) throw locked(folder, undefined);
      try {
        return await RunLock.acquireGuarded(folder);
      } finally {
        await leave();
      }
    } catch (error) {
      throw fileError(error, `lock the folder ${folder}`);
    }
  }

  private static async acquireGuarded(folder: string): Promise<RunLock> {
    const holder = await readHolder(folder);
    const isFree = !existsSync(join(folder, lockName));
    const isLeft = holder !== undefined && hasEnded(holder);
    // The name comes before the lock, so that one of a process that ends in between is known to be left behind.
    if (isFree || isLeft) await nameHolder(folder);
    if (isLeft) await utimes(join(folder, lockName), 0, 0).catch(() => undefined);
    const state: { lock?: RunLock } = {};
    const unlock = await acquireOrNull(folder, lockName, {
      stale: staleMilliseconds,
      onCompromised: () => {
        if (state.lock) state.lock.lost = true;
      },
    });
    if (!unlock) throw locked(folder, holder);
    state.lock = new RunLock(folder, unlock);
    if (!isFree && !isLeft) await nameHolder(folder);
    return state.lock;
  }

  /** Whether a file or folder of this name in a folder belongs to its lock. */
  static isFile(name: string): boolean {
    return [lockName, guardName, holderName].includes(name);
  }

  /** @throws HireSnnError RUN_LOCKED if another process took the lock over, because this one gave no sign of life for too long */
  requireHeld(): void {
    if (!this.lost) return;
    throw new HireSnnError(
      "RUN_LOCKED",
      `Expected to be alone in ${this.folder} but another process has taken it over, since this one stood still for more than ` +
        `${staleMilliseconds / 1000} s; what was finished is safe, and --resume goes on once the other has ended`,
    );
  }

  async release(): Promise<void> {
    if (this.released) return;
    this.released = true;
    if (this.lost) return;
    try {
      await rm(join(this.folder, holderName), { force: true });
    } finally {
      await this.unlock().catch(() => undefined);
    }
  }
}

async function acquireOrNull(
  folder: string,
  name: string,
  options: LockOptions,
): Promise<(() => Promise<void>) | null> {
  try {
    const path = join(folder, name);
    return await lock(path, { ...options, realpath: false, lockfilePath: path });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ELOCKED") return null;
    throw error;
  }
}

function locked(folder: string, holder: Holder | undefined): HireSnnError {
  const who = holder ? `process ${holder.pid} on ${holder.host}` : "another process";
  return new HireSnnError(
    "RUN_LOCKED",
    `Expected no other process to work on ${folder} but ${who} does; wait for it, stop it, or name another folder`,
  );
}

async function readHolder(folder: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, holderName), "utf8")) as Holder;
  } catch {
    // None, or one that is being written: the lock alone decides.
    return undefined;
  }
}

async function nameHolder(folder: string): Promise<void> {
  const { pid } = process;
  const holder: Holder = { pid, started: processStart(pid), host: hostname(), space: processSpace() };
  await writeFile(join(folder, holderName), JSON.stringify(holder));
}

function hasEnded({ pid, started, host, space }: Holder): boolean {
  if (host !== hostname() || space !== processSpace()) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it runs, as another user.
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return true;
  }
  // A process id is used again: the same one with another start is another process.
  const startedNow = processStart(pid);
  return started !== null && startedNow !== null && started !== startedNow;
}

/** Containers can share a host's name and folders, but not its process ids. */
function processSpace(): string | null {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return null;
  }
}

/** When a process began, in the kernel's ticks since boot; null where /proc does not say. */
function processStart(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The program's name may hold spaces and brackets; the start is the 20th field behind it.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
  }
}
