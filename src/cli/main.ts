#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { HireSnnError } from "../errors";
import { packageVersion } from "../version";
import { registerConvert } from "./convert";
import { registerData } from "./data";
import { registerDemo } from "./demo";
import { registerDoctor } from "./doctor";
import { registerEnergy } from "./energy";
import { registerEvaluate } from "./evaluate";
import { registerExport } from "./export";
import { exitCodeOf, exitCodes, type ExitCode } from "./exit-code";
import { registerInspect } from "./inspect";
import { registerMerge } from "./merge";
import { registerReport } from "./report";
import { registerReproduce } from "./reproduce";
import { registerSetup } from "./setup";
import { registerTrain } from "./train";
import { registerStudy } from "./study";

/**
 * Runs one command line.
 *
 * @param args without the names of Node and the script
 */
export async function main(args: readonly string[]): Promise<ExitCode> {
  // Commands inherit exitOverride: usage errors come back here instead of ending the process with commander's own code.
  const program = new Command("hire-snn")
    .description("How robust is this spiking network, really?")
    .version(packageVersion())
    .exitOverride()
    .showHelpAfterError("(--help says more)");
  registerSetup(program);
  registerDemo(program);
  registerEvaluate(program);
  registerTrain(program);
  registerReproduce(program);
  registerStudy(program);
  registerMerge(program);
  registerEnergy(program);
  registerReport(program);
  registerInspect(program);
  registerConvert(program);
  registerExport(program);
  registerData(program);
  registerDoctor(program);
  try {
    await program.parseAsync(args, { from: "user" });
    return exitCodes.success;
  } catch (error) {
    // Commander has written its own message already.
    if (!(error instanceof CommanderError)) process.stderr.write(`${describeError(error)}\n`);
    return exitCodeOf(error);
  }
}

function describeError(error: unknown): string {
  if (error instanceof HireSnnError) return `hire-snn: ${error.message} (${error.code})`;
  const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `hire-snn: this is a fault of hire-snn itself; please report it with the command that you ran.\n${trace}`;
}

/* The addon keeps no thread that would hold the process: setting the code, and not exiting, lets output drain to a pipe. */
if (require.main === module) {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // A reader such as `head` that has seen enough is no failure.
    process.exit(error.code === "EPIPE" ? exitCodes.success : exitCodes.failure);
  });
  void main(process.argv.slice(2)).then((code) => {
    // A command that ran to its end may have set a code of its own.
    if (code !== exitCodes.success) process.exitCode = code;
  });
}
