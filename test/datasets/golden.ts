import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Written by scripts/reference/make_data_golden.py from Pillow, torchvision and NumPy. */
export const goldenFolder = join(__dirname, "golden");

export interface GoldenImage {
  readonly width: number;
  readonly height: number;
  /** Of the RGB bytes, [H, W, 3]. */
  readonly sha256: string;
}

export interface GoldenTransform extends GoldenImage {
  /** Whether rows and columns of the picture were exchanged before. */
  readonly turned: boolean;
  readonly resize: number | null;
  readonly crop: number | null;
}

export interface Golden {
  readonly decoded: Readonly<Record<string, GoldenImage>>;
  readonly transforms: readonly GoldenTransform[];
}

export function readGolden(): Golden {
  return JSON.parse(readFileSync(join(goldenFolder, "golden.json"), "utf8")) as Golden;
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
