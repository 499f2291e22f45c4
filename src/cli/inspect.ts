import { InvalidArgumentError, type Command } from "commander";
import { isTorchScript } from "../checkpoint/torchscript-archive";
import { HireSnnError } from "../errors";
import { inspectTorchScript, type ScriptInspection } from "../classifiers/inspect-torchscript";
import { inspectCheckpoint, type Inspection } from "../networks/inspect-checkpoint";
import { colorsOnStdout } from "./colors";
import { describeInspection, describeScriptInspection } from "./inspection-table";

interface InspectArguments {
  readonly network?: string;
  readonly timesteps?: number;
  readonly json?: boolean;
}

/** Adds `inspect FILE`, which needs neither libtorch nor the addon. */
export function registerInspect(program: Command): void {
  program
    .command("inspect")
    .description(
      "list what a checkpoint holds and which network it is, or what a TorchScript archive calls; nothing in the file is run",
    )
    .argument(
      "<file>",
      "a checkpoint of torch.save, legacy or zip, a safetensors file, or a TorchScript archive",
    )
    .option("--network <network>", 'a name (VGG11) or layers ("8,A,16,16,A/64,10") instead of recognising it')
    .option(
      "--timesteps <n>",
      "time steps instead of those in the network file or the file's name",
      wholeNumber,
    )
    .option("--json", "print JSON")
    .action((file: string, options: InspectArguments) => {
      if (isTorchScript(file)) {
        if (options.network !== undefined || options.timesteps !== undefined) {
          throw new HireSnnError(
            "INVALID_ARGUMENT",
            `Expected no --network and --timesteps for ${file}, a TorchScript archive: its code says what it computes`,
          );
        }
        const script = inspectTorchScript(file);
        process.stdout.write(
          options.json ? inspectionJson(script) : describeScriptInspection(script, colorsOnStdout()),
        );
        return;
      }
      const inspection = inspectCheckpoint(file, options);
      process.stdout.write(
        options.json ? inspectionJson(inspection) : describeInspection(inspection, colorsOnStdout()),
      );
      // Who names a network asks whether the file holds it; who does not wants to see what it holds.
      const { networkProblem } = inspection;
      if (networkProblem && options.network !== undefined) {
        throw new HireSnnError(networkProblem.code, networkProblem.message);
      }
    });
}

function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Expected a whole number above 0.");
}

/** JSON has no NaN, infinities or large integers: they become text. */
export function inspectionJson(inspection: Inspection | ScriptInspection): string {
  const plain = (_key: string, value: unknown): unknown =>
    typeof value === "bigint" || (typeof value === "number" && !Number.isFinite(value))
      ? String(value)
      : value;
  return `${JSON.stringify({ schemaVersion: 1, ...inspection }, plain, 2)}\n`;
}
