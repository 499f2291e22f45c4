// Child processes of the set-up: their output goes to stderr, and none outlives the set-up.
import { spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { SetupError } from "./report.mjs";

/** Aborted by Ctrl-C: ends running children and downloads, whose cleaning-up then runs as for any failure. */
const interruption = new AbortController();
export const interrupted = interruption.signal;
export function interrupt(signalName) {
  interruption.abort(new SetupError(`Interrupted (${signalName}).`));
}

/**
 * Runs a program to its end, its output shown on stderr.
 * @throws {SetupError} if it cannot be started or fails
 */
export async function run(command, args, { cwd, env, what = command, hint = "" } = {}) {
  const result = await start(command, args, { cwd, env, stdio: ["ignore", 2, 2] });
  if (result.code !== 0) {
    throw new SetupError(`${what} failed: ${describeEnd("it", result)} (its output is above).${hint}`);
  }
}

/**
 * Runs a program to its end and returns its output; never throws for the program's own failure.
 * @returns {Promise<{code: number | null, signal: string | null, stdout: string, stderr: string, error?: Error}>}
 */
export function capture(command, args, { cwd, env, input, timeoutSeconds } = {}) {
  return start(command, args, { cwd, env, input, timeoutSeconds, stdio: ["pipe", "pipe", "pipe"] });
}

export function describeEnd(command, { code, signal, error }) {
  if (error) return `${command} could not be started (${error.code ?? error.message})`;
  return signal ? `${command} was ended by ${signal}` : `${command} exited with code ${code}`;
}

function start(command, args, { cwd, env, input, stdio, timeoutSeconds }) {
  interrupted.throwIfAborted();
  return new Promise((resolve, reject) => {
    // In a process group of its own, so that its end is also that of what it started (make's compilers, say). The
    // terminal's Ctrl-C then reaches only the set-up, which passes it on.
    const child = spawn(command, args, { cwd, env: env ?? process.env, stdio, detached: true });
    const end = () => endGroup(child.pid);
    interrupted.addEventListener("abort", end, { once: true });
    const timer = timeoutSeconds && setTimeout(end, timeoutSeconds * 1000);
    let stdout = "";
    let stderr = "";
    child.stdout?.setEncoding("utf8").on("data", (text) => (stdout += text));
    child.stderr?.setEncoding("utf8").on("data", (text) => (stderr += text));
    const finish = (result) => {
      clearTimeout(timer);
      interrupted.removeEventListener("abort", end);
      if (interrupted.aborted) reject(interrupted.reason);
      else resolve({ stdout, stderr, code: null, signal: null, ...result });
    };
    child.on("error", (error) => finish({ error }));
    child.on("close", (code, signal) => finish({ code, signal }));
    // A program that does not read its input closes the pipe: that is no failure of ours.
    child.stdin?.on("error", () => {});
    child.stdin?.end(input ?? "");
  });
}

function endGroup(pid) {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGTERM");
  } catch {
    // It has ended by itself.
  }
}

/** Every executable of one of these names on the PATH, in the PATH's order. */
export function findPrograms(names, path = process.env.PATH ?? "") {
  const found = [];
  for (const folder of path.split(delimiter).filter(Boolean)) {
    for (const name of names) {
      const file = join(folder, name);
      if (isProgram(file) && !found.includes(file)) found.push(file);
    }
  }
  return found;
}

export function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
