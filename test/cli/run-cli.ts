import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";

export const root = join(__dirname, "..", "..");
export const demo = join(root, "examples", "demo");

export interface CliResult {
  /** Exit code; null if a signal ended the process. */
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface CliOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** Another copy of the command line. */
  readonly main?: string;
  readonly onStart?: (child: ChildProcess) => void;
  /** Called with the running process and all that it has written to stderr so far, whenever that grows. */
  readonly onStderr?: (child: ChildProcess, stderr: string) => void;
}

/** Runs the compiled command line as a user does, in a process of its own. */
export function runCli(
  args: readonly string[],
  { environment = {}, main, onStart, onStderr }: CliOptions = {},
): Promise<CliResult> {
  const child = spawn(process.execPath, [main ?? join(root, "lib", "cli", "main.js"), ...args], {
    env: { ...process.env, HIRE_SNN_DATA: "", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onStart?.(child);
  const result = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (result.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    result.stderr += text;
    onStderr?.(child, result.stderr);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      resolve({ code, ...result });
    });
  });
}
