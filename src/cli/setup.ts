import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Command } from "commander";

const scripts = join(__dirname, "..", "..", "scripts", "setup");

/** What the command takes of the set-up, which is plain JavaScript: it has to run before anything is compiled. */
interface SetUpScripts {
  main(work: () => Promise<void>): Promise<void>;
  setUp(options: { readonly search?: boolean | undefined }): Promise<void>;
}

/** Adds `setup`, which builds the addon where a package manager has put the package. */
export function registerSetup(program: Command): void {
  program
    .command("setup")
    .summary("build the addon, for the libtorch that is found or fetched")
    .description(
      "Builds the addon for the libtorch that is found on this machine, or fetches one (about 180 MB, once). Does nothing when all is " +
        "built. Package managers do not run it by themselves.",
    )
    .option("--search", "choose libtorch anew instead of keeping the earlier choice")
    .action(async (options: { readonly search?: boolean }) => {
      const { main, setUp } = {
        ...((await load("main.mjs")) as Pick<SetUpScripts, "main">),
        ...((await load("set-up.mjs")) as Pick<SetUpScripts, "setUp">),
      };
      // It reports errors and takes Ctrl-C in its own way, and sets the exit code.
      await main(() => setUp(options));
    });
}

function load(name: string): Promise<unknown> {
  return import(pathToFileURL(join(scripts, name)).href);
}
