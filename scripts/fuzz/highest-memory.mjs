import { existsSync, readFileSync } from "node:fs";

/**
 * The most memory that this process has taken, in bytes. Not by getrusage alone: on Linux that begins with what the parent had
 * taken.
 */
export function highestMemory() {
  const status = "/proc/self/status";
  const kilobytes = existsSync(status)
    ? Number(/^VmHWM:\s*(\d+) kB/m.exec(readFileSync(status, "utf8"))?.[1])
    : process.resourceUsage().maxRSS;
  return kilobytes * 1024;
}
