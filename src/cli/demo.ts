import type { Command } from "commander";

const defaultFolder = "runs/demo";

/**
 * Adds `demo`: the smallest reproduction of the paper's comparison. The command line is printed, because it is all there is to it.
 */
export function registerDemo(program: Command): void {
  program
    .command("demo")
    .summary("train small networks, attack them, and print the paper's table for them")
    .description(
      "Trains small ANNs, traditional and HIRE spiking networks on a set of drawn images, attacks them white box and black box, prints the " +
        `paper's table for them and leaves a report in ${defaultFolder}, in a few minutes. Takes the options of reproduce; started again, it ` +
        "goes on where it was.",
    )
    .argument("[options...]", "further options of reproduce, such as --out DIR or --json")
    .allowUnknownOption()
    .action(async (options: readonly string[]) => {
      const named = options.some((option) => /^(-o|--out)/.test(option));
      const args = [
        "reproduce",
        "shapes",
        ...(named ? [] : ["--out", defaultFolder]),
        "--resume",
        ...options,
      ];
      process.stderr.write(`hire-snn ${args.join(" ")}\n\n`);
      await program.parseAsync(args, { from: "user" });
    });
}
