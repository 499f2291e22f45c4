import { readFileSync } from "node:fs";
import { HireSnnError } from "../errors";
import type { Shape } from "./network";
import { resolveSurrogate, type Surrogate, type SurrogateOptions } from "./surrogate";

/**
 * What the file beside a checkpoint may say: for `x.pt` it is `x.network.json`. Every field is optional.
 *
 *     { "network": "8,A,16,16,A/64,10", "inputShape": [3, 16, 16], "timesteps": 6, "dataset": "shapes" }
 */
export interface NetworkFile {
  readonly path: string;
  /** A name of the catalogue, or layers. */
  readonly network?: string;
  /** [C, H, W] */
  readonly inputShape?: Shape;
  readonly kernel?: number;
  readonly timesteps?: number;
  /** How images are shown to the network. */
  readonly coding?: "direct" | "rate";
  /** The derivative of the firing step that the network was trained with. */
  readonly surrogate?: Surrogate;
  /** The data set that the network was trained on. */
  readonly dataset?: string;
  /** Per channel, in pixel units; only together with `std`. */
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
}

const known = [
  "network",
  "inputShape",
  "kernel",
  "timesteps",
  "coding",
  "surrogate",
  "dataset",
  "mean",
  "std",
] as const;

export function networkFilePath(checkpointPath: string): string {
  return `${checkpointPath.replace(/\.[^./\\]+$/, "")}.network.json`;
}

/**
 * Reads the description beside a checkpoint.
 *
 * @returns undefined if there is none
 * @throws HireSnnError NETWORK_INVALID with the field that is wrong, IO
 */
export function readNetworkFile(checkpointPath: string): NetworkFile | undefined {
  const path = networkFilePath(checkpointPath);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new HireSnnError("IO", `Cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new HireSnnError("NETWORK_INVALID", `${path} is not valid JSON: ${(error as Error).message}.`, {
      cause: error,
    });
  }
  return new Fields(path, content).networkFile();
}

class Fields {
  private readonly fields: Readonly<Record<string, unknown>>;

  constructor(
    private readonly path: string,
    content: unknown,
  ) {
    if (typeof content !== "object" || content === null || Array.isArray(content)) {
      throw new HireSnnError(
        "NETWORK_INVALID",
        `Expected an object in ${path}, found ${JSON.stringify(content)}.`,
      );
    }
    this.fields = content as Record<string, unknown>;
    const strange = Object.keys(this.fields).filter((key) => !(known as readonly string[]).includes(key));
    // A misspelt key would be silently without effect.
    if (strange.length > 0) {
      const quoted = strange.map((key) => JSON.stringify(key)).join(", ");
      throw new HireSnnError(
        "NETWORK_INVALID",
        `Expected only ${known.join(", ")} as keys in ${path}, found ${quoted}.`,
      );
    }
  }

  networkFile(): NetworkFile {
    const shape = this.numbers(
      "inputShape",
      (size) => Number.isSafeInteger(size) && size > 0,
      "three sizes above 0",
      3,
    );
    const mean = this.numbers("mean", Number.isFinite, "a number per channel");
    const std = this.numbers(
      "std",
      (value) => Number.isFinite(value) && value > 0,
      "a number above 0 per channel",
    );
    if (mean?.length !== std?.length) throw this.invalid("mean", "mean and std together, of one length");
    const file = {
      path: this.path,
      network: this.text("network"),
      inputShape: shape as unknown as Shape | undefined,
      kernel: this.count("kernel"),
      timesteps: this.count("timesteps"),
      coding: this.coding(),
      surrogate: this.surrogate(),
      dataset: this.text("dataset"),
      mean,
      std,
    };
    return Object.fromEntries(
      Object.entries(file).filter(([, value]) => value !== undefined),
    ) as unknown as NetworkFile;
  }

  private text(key: string): string | undefined {
    const value = this.fields[key];
    if (value === undefined || (typeof value === "string" && value !== "")) return value;
    throw this.invalid(key, "a text");
  }

  private coding(): "direct" | "rate" | undefined {
    const value = this.fields["coding"];
    if (value === undefined || value === "direct" || value === "rate") return value;
    throw this.invalid("coding", "direct or rate");
  }

  private surrogate(): Surrogate | undefined {
    const value = this.fields["surrogate"];
    if (value === undefined) return undefined;
    const keys = ["shape", "a", "scale"];
    if (
      typeof value !== "object" ||
      value === null ||
      !Object.keys(value).every((key) => keys.includes(key))
    ) {
      throw this.invalid("surrogate", "an object with a shape and perhaps a and scale");
    }
    try {
      return resolveSurrogate(value as SurrogateOptions);
    } catch (error) {
      throw new HireSnnError("NETWORK_INVALID", `"surrogate" in ${this.path}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  private count(key: string): number | undefined {
    const value = this.fields[key];
    if (value === undefined) return undefined;
    if (typeof value === "number" && Number.isSafeInteger(value) && value > 0) return value;
    throw this.invalid(key, "a whole number above 0");
  }

  private numbers(
    key: string,
    fits: (value: number) => boolean,
    expected: string,
    length?: number,
  ): number[] | undefined {
    const value = this.fields[key];
    if (value === undefined) return undefined;
    const fine =
      Array.isArray(value) &&
      value.length === (length ?? value.length) &&
      value.length > 0 &&
      value.every((item) => typeof item === "number" && fits(item));
    if (!fine) throw this.invalid(key, expected);
    return value as number[];
  }

  private invalid(key: string, expected: string): HireSnnError {
    const found = JSON.stringify(this.fields[key]);
    return new HireSnnError(
      "NETWORK_INVALID",
      `Expected ${expected} for "${key}" in ${this.path}, found ${found}.`,
    );
  }
}
