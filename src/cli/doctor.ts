import type { Command } from "commander";
import pc from "picocolors";
import { diagnose, type Diagnosis } from "../doctor/diagnose";
import type { Folder } from "../doctor/folders";
import { colorsOnStdout } from "./colors";
import { exitCodes } from "./exit-code";

/** Adds `doctor`, which works without the addon: its absence is what it is there to explain. */
export function registerDoctor(program: Command): void {
  program
    .command("doctor")
    .summary("versions, libtorch, machine, caches, and what is wrong")
    .description(
      "Looks at the installation and the machine, and says what is wrong and the way out. Exit code 1 with a problem.",
    )
    .option("--json", "print JSON")
    .action(async ({ json }: { readonly json?: boolean }) => {
      const diagnosis = await diagnose();
      process.stdout.write(
        json
          ? `${JSON.stringify(diagnosis, undefined, 2)}\n`
          : describeDiagnosis(diagnosis, colorsOnStdout()),
      );
      if (diagnosis.problems.length > 0) process.exitCode = exitCodes.failure;
    });
}

/**
 * A diagnosis as text for people.
 *
 * @param colored whether to use terminal colours
 */
export function describeDiagnosis(diagnosis: Diagnosis, colored: boolean): string {
  const colors = pc.createColors(colored);
  const rows = describeRows(diagnosis);
  const width = Math.max(...rows.map(([title]) => title.length)) + 2;
  const lines = rows.map(
    ([title, text]) => `${colors.bold(title)}${" ".repeat(width - title.length)}${text}`,
  );
  const { problems } = diagnosis;
  const verdict =
    problems.length === 0
      ? [colors.green("No problem found.")]
      : problems.map(({ what, wayOut }) => `${colors.red("Problem:")} ${what}\n  ${wayOut}`);
  return `${[...lines, "", ...verdict].join("\n")}\n`;
}

function describeRows({
  versions,
  addon,
  libtorch,
  machine,
  threads,
  cache,
  data,
}: Diagnosis): [string, string][] {
  const { instructionSets, gpus } = machine;
  const variables = Object.entries(threads.environment).map(([name, value]) => `${name}=${value}`);
  return [
    ["hire-snn", versions["hire-snn"]],
    ["Node.js", `${versions.node}, Node-API ${versions.napi}`],
    ["Images", versions.sharp === null ? "sharp does not load" : `sharp ${versions.sharp}`],
    ["Addon", addon.state === "works" ? (addonFile(addon.loaded) ?? "works") : "does not load"],
    [
      "libtorch",
      addon.state === "works" ? `${addon.runtime.libtorch} in ${addon.runtime.libtorchRoot}` : "not loaded",
    ],
    [
      "Built for",
      libtorch
        ? `${libtorch.version} in ${libtorch.root}, ABI ${libtorch.abi ?? "unknown"}, ${libtorch.cuda ? "with" : "without"} CUDA, by ` +
          libtorch.compiler
        : "no build is recorded",
    ],
    ["System", machine.platform],
    ["Processor", machine.processor],
    ["Instructions", instructionSets?.join(" ") ?? "unknown"],
    ["libtorch uses", addon.state === "works" ? addon.runtime.instructionSet : "unknown"],
    ["GPU", gpus.length > 0 ? gpus.join("; ") : "no NVIDIA driver found"],
    ["Threads", [`${threads.default} of ${machine.cores} cores`, ...variables].join(", ")],
    ["Memory", `${gigabytes(machine.freeMemoryBytes)} of ${gigabytes(machine.memoryBytes)} GB free`],
    ["Cache", describeFolder(cache)],
    ["Data", `${describeFolder(data)}${data ? `; ${data.datasets.join(", ") || "no published set"}` : ""}`],
  ];
}

function addonFile(loaded: readonly string[]): string | undefined {
  return loaded.find((file) => /hire_snn[^/]*$/.test(file));
}

function describeFolder(folder: Folder | null): string {
  if (!folder) return "unknown";
  const { path, exists, writable, freeBytes } = folder;
  const free = freeBytes === null ? "" : `, ${gigabytes(freeBytes)} GB free`;
  return `${path} (${exists ? "" : "not there, "}${writable ? "writable" : "not writable"}${free})`;
}

function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(1);
}
