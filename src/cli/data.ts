import { Argument, type Command } from "commander";
import pc from "picocolors";
import { publishedNames, type PublishedName } from "../datasets/published/catalogue";
import { fetchDataset, type FetchProgress } from "../datasets/published/fetch";
import { verifyDataset, type Verification } from "../datasets/published/verify";
import { HireSnnError } from "../errors";
import { colorsOnStdout } from "./colors";
import { interruptible } from "./interrupt";
import { StatusLine } from "./status-line";

interface FetchArguments {
  readonly data?: string;
  readonly mirror?: string;
}

interface VerifyArguments {
  readonly data?: string;
  readonly json?: boolean;
}

const dataOption = [
  "--data <dir>",
  "folder of data sets (default: $HIRE_SNN_DATA, else the cache folder)",
] as const;

/** Adds `data fetch` and `data verify`, which need neither libtorch nor the addon. */
export function registerData(program: Command): void {
  const data = program.command("data").description("fetch the published data sets, and verify what is there");
  data
    .command("fetch")
    .description("download a data set, verify it, and unpack it into its own folder")
    .addArgument(new Argument("<name>", "data set").choices(publishedNames))
    .option(...dataOption)
    .option("--mirror <url>", "folder with the published archives, instead of the publisher's")
    .action(async (name: PublishedName, { data: folder, mirror }: FetchArguments) => {
      const line = new StatusLine(process.stderr);
      const onProgress = (progress: FetchProgress): void => line.update(() => describeFetch(progress));
      const result = await interruptible((signal) =>
        fetchDataset(name, { data: folder, mirror, signal, onProgress }),
      ).finally(() => line.finish());
      process.stdout.write(
        `${name}: ${result.folder} (${result.fetched ? "fetched" : "was there"}, verified)\n`,
      );
    });
  data
    .command("verify")
    .description("compare the files of the data sets that are there with the published hashes")
    .addArgument(new Argument("[name...]", "data sets (default: all that are there)").choices(publishedNames))
    .option(...dataOption)
    .option("--json", "print JSON")
    .action(async (names: PublishedName[], options: VerifyArguments) => {
      const verifications = await interruptible((signal) => verifyAll(names, options.data, signal));
      process.stdout.write(
        options.json
          ? `${JSON.stringify({ schemaVersion: 1, verifications }, undefined, 2)}\n`
          : describeVerifications(verifications, colorsOnStdout()),
      );
      const bad = verifications.filter(({ ok }) => !ok).map(({ name }) => name);
      if (bad.length > 0) {
        throw new HireSnnError(
          "DATASET_INVALID",
          `Expected the published files of ${bad.join(", ")} but not all are there; delete those that differ, and run hire-snn data ` +
            "fetch",
        );
      }
    });
}

/** The named sets; with none named, those of which something is there. */
async function verifyAll(
  names: readonly PublishedName[],
  data: string | undefined,
  signal: AbortSignal,
): Promise<Verification[]> {
  const verifications: Verification[] = [];
  for (const name of names.length > 0 ? names : publishedNames) {
    const verification = await verifyDataset(name, { data, signal });
    if (names.length > 0 || verification.forms.length > 0) verifications.push(verification);
  }
  if (verifications.length === 0) {
    throw new HireSnnError(
      "DATASET_INVALID",
      `Expected one of ${publishedNames.join(", ")} in the data folder but found none; hire-snn data fetch brings one`,
    );
  }
  return verifications;
}

/** "cifar-10-python.tar.gz: 85.2 of 170.5 MB (50 %)" */
export function describeFetch(progress: FetchProgress): string {
  switch (progress.step) {
    case "waiting":
      return "waiting for another process that fetches the same";
    case "unpacking":
      return `${progress.file}: unpacking`;
    case "downloading": {
      const { file, done, total } = progress;
      const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
      return `${file}: ${megabytes(done)} of ${megabytes(total)} MB (${Math.floor((100 * done) / total)} %)`;
    }
  }
}

/**
 * Verifications as text for people: a line per file.
 *
 * @param colored whether to use terminal colours
 */
export function describeVerifications(verifications: readonly Verification[], colored: boolean): string {
  const colors = pc.createColors(colored);
  const lines: string[] = [];
  for (const { name, forms } of verifications) {
    if (forms.length === 0) lines.push(`${colors.bold(name)}: not there`);
    for (const { folder, files } of forms) {
      lines.push(`${colors.bold(name)} in ${folder}`);
      for (const { path, status, expected, found } of files) {
        const verdict = status === "ok" ? colors.green("ok") : colors.red(status);
        const detail = status === "different" ? `, expected ${expected} but found ${found}` : "";
        lines.push(`  ${path.slice(folder.length + 1)}: ${verdict}${detail}`);
      }
    }
  }
  return `${lines.join("\n")}\n`;
}
