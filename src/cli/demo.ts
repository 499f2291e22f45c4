import { relative } from "node:path";
import type { Command } from "commander";
import { demo } from "../demo";

/**
 * Adds `demo`: the evaluation of the package's own pair of networks, as anybody would evaluate a pair. The command line is printed,
 * because it is all there is to it.
 */
export function registerDemo(program: Command): void {
  program
    .command("demo")
    .summary("evaluate the small pair of networks that comes with the package")
    .description(
      "Evaluates the small pair of networks that comes with the package, white box and black box, in seconds. Takes the options of evaluate.",
    )
    .argument("[options...]", "further options of evaluate, such as --json or --samples 64")
    .allowUnknownOption()
    .action(async (options: readonly string[]) => {
      const [target, source, data] = [demo.target, demo.source, demo.data].map((path) => relative("", path));
      const evaluation = ["evaluate", target, "--source", source, "--dataset", "shapes", "--data", data];
      const args = [...evaluation, "--seed", "0", ...options] as string[];
      process.stderr.write(`hire-snn ${args.join(" ")}\n\n`);
      await program.parseAsync(args, { from: "user" });
    });
}
