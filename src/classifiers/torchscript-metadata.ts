import { HireSnnError } from "../errors";

/** The extra file of an archive that says how it is used. */
export const METADATA_FILE = "hire-snn.json";

/** What `hire-snn.json` in an archive may say; all of it is optional. Unknown keys are kept for their readers. */
export interface TorchScriptMetadata {
  readonly schemaVersion?: 1;
  /** [C, H, W] of one image. */
  readonly inputShape?: readonly [number, number, number];
  /** Per channel, in pixel units. */
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  /** Whether the program subtracts the mean and divides by the deviation itself. @default "outside" */
  readonly normalisation?: "inside" | "outside";
  /** Path of the logits among the outputs. */
  readonly output?: string;
  /** What the network was trained on. */
  readonly dataset?: string;
  readonly [more: string]: unknown;
}

/**
 * @param path of the archive, for messages
 * @param extraFiles of it
 * @returns an empty object without metadata
 * @throws HireSnnError SCRIPT_INVALID if the metadata is not of this form
 */
export function parseMetadata(
  path: string,
  extraFiles: ReadonlyMap<string, Uint8Array>,
): TorchScriptMetadata {
  const bytes = extraFiles.get(METADATA_FILE);
  if (!bytes) return {};
  const invalid = (what: string): HireSnnError =>
    new HireSnnError("SCRIPT_INVALID", `Expected ${what} in the extra file ${METADATA_FILE} of ${path}`);
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (error) {
    throw invalid(`JSON (${(error as Error).message})`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid("a JSON object");
  const metadata = value as Record<string, unknown>;
  const { schemaVersion, inputShape, mean, std, normalisation, output } = metadata;
  if (schemaVersion !== undefined && schemaVersion !== 1) throw invalid("schemaVersion 1");
  if (inputShape !== undefined && !(isNumbers(inputShape, isSize) && inputShape.length === 3)) {
    throw invalid("three sizes, [C, H, W], as inputShape");
  }
  if ((mean === undefined) !== (std === undefined)) throw invalid("mean and std together");
  if (mean !== undefined && !isNumbers(mean, Number.isFinite)) throw invalid("numbers as mean");
  if (std !== undefined && !isNumbers(std, (number) => Number.isFinite(number) && number > 0)) {
    throw invalid("numbers above 0 as std");
  }
  if (normalisation !== undefined && normalisation !== "inside" && normalisation !== "outside") {
    throw invalid('"inside" or "outside" as normalisation');
  }
  if (output !== undefined && typeof output !== "string") throw invalid("a text as output");
  return metadata;
}

function isNumbers(value: unknown, good: (number: number) => boolean): value is number[] {
  return Array.isArray(value) && value.every((item) => typeof item === "number" && good(item));
}

function isSize(number: number): boolean {
  return Number.isSafeInteger(number) && number > 0;
}
