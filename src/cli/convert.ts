import { Option, type Command } from "commander";
import type { CheckpointFormat } from "../checkpoint/checkpoint";
import { convertCheckpoint, type Conversion } from "../checkpoint/convert-checkpoint";
import { floatingDtypes, type FloatingDtype } from "../checkpoint/convert-dtype";
import { HireSnnError } from "../errors";
import { printable } from "./printable";

interface ConvertArguments {
  readonly zip?: boolean;
  readonly format?: CheckpointFormat;
  readonly dtype?: FloatingDtype;
  readonly force?: boolean;
}

const MOST_LEFT_OUT = 10;

/** Adds `convert IN OUT`, which needs neither libtorch nor the addon. */
export function registerConvert(program: Command): void {
  program
    .command("convert")
    .description("write a checkpoint in another form or type, without loading libtorch")
    .argument("<in>", "a checkpoint of torch.save, legacy or zip, or a safetensors file")
    .argument("<out>", "the file to write; a name that ends in .safetensors makes it one")
    .option("--zip", "the archive of PyTorch 1.6 and later instead of the stream that all versions read")
    .addOption(
      new Option("--format <form>", "the form, whatever the name").choices(["legacy", "zip", "safetensors"]),
    )
    .addOption(
      new Option("--dtype <type>", "what all floating-point tensors become").choices([...floatingDtypes]),
    )
    .option("--force", "replace files that are there")
    .action((input: string, output: string, options: ConvertArguments) => {
      const format = formatOf(output, options);
      const conversion = convertCheckpoint(input, output, {
        format,
        dtype: options.dtype,
        overwrite: options.force,
      });
      process.stdout.write(describe(conversion));
      for (const warning of conversion.warnings)
        process.stderr.write(`Warning: ${printable(warning, Infinity)}\n`);
    });
}

function formatOf(output: string, { zip, format }: ConvertArguments): CheckpointFormat | undefined {
  if (!zip) return format;
  if (format !== undefined && format !== "zip") {
    throw new HireSnnError("INVALID_ARGUMENT", `Expected one form, found --zip and --format ${format}.`);
  }
  if (format === undefined && output.endsWith(".safetensors")) {
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected another name than ${output} for --zip, or no --zip.`,
    );
  }
  return "zip";
}

function describe({ files, leftOut }: Conversion): string {
  const lines = files.map(
    ({ path, format, tensors, size }) =>
      `${path}: ${format}, ${tensors} tensors, ${size.toLocaleString("en")} bytes`,
  );
  if (leftOut.length > 0) {
    const shown = leftOut.slice(0, MOST_LEFT_OUT).map((path) => printable(path));
    const more = leftOut.length > shown.length ? ` and ${leftOut.length - shown.length} more` : "";
    lines.push(`Left out: ${shown.join(", ")}${more}`);
  }
  return `${lines.join("\n")}\n`;
}
