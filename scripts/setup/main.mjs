// The frame of each set-up script: exit code, errors without a stack where the message says it all, Ctrl-C.
import { interrupt } from "./processes.mjs";
import { checkBuildFolder } from "./project.mjs";
import { SetupError } from "./report.mjs";

const exitCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

/** @param {(args: string[]) => Promise<void>} work */
export async function main(work) {
  let interruptedBy;
  for (const name of Object.keys(exitCodes)) {
    process.on(name, () => {
      // A second Ctrl-C does not wait for what the first one began to clean up.
      if (interruptedBy) process.exit(exitCodes[name]);
      interruptedBy = name;
      interrupt(name);
    });
  }
  try {
    checkBuildFolder();
    await work(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`setup: ${error instanceof SetupError ? error.message : error.stack}\n`);
    process.exitCode = interruptedBy ? exitCodes[interruptedBy] : 1;
  }
  // Signals' listeners do not keep a process alive; nothing else is left running.
}
