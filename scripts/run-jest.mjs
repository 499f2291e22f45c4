// Runs the tests in a child process.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { interrupted } from "./setup/processes.mjs";
import { root } from "./setup/project.mjs";

/**
 * A failed test is no failure of the caller, so that the tests' own last line stays the last one; it sets the exit code.
 *
 * @param {readonly string[]} args of Jest, after those of Node
 * @param {Record<string, string>} environment beside this process's
 * @param {{ node?: string }} options another version of Node
 */
export async function runJest(args, environment, { node = process.execPath } = {}) {
  const jest = join(root, "node_modules", "jest", "bin", "jest.js");
  // Without the option, Jest has no import().
  const child = spawn(node, ["--experimental-vm-modules", jest, ...args], {
    cwd: root,
    env: { ...process.env, ...environment },
    stdio: "inherit",
  });
  const end = () => child.kill("SIGTERM");
  interrupted.addEventListener("abort", end, { once: true });
  const code = await new Promise((settle, reject) => child.on("error", reject).on("close", settle));
  interrupted.removeEventListener("abort", end);
  interrupted.throwIfAborted();
  if (code !== 0) process.exitCode = 1;
}
