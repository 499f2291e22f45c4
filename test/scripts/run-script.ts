import { spawnSync } from "node:child_process";
import { join } from "node:path";

export const projectRoot = join(__dirname, "..", "..");

export interface ScriptResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

/** Runs Node on a script (or `-e` and a program) to its end. */
export function runNode(
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): ScriptResult {
  const began = performance.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", ...options });
  return { code: status, stdout, stderr, seconds: (performance.now() - began) / 1000 };
}
