import type sharpFunction from "sharp";
import { HireSnnError } from "../errors";
import type { ByteImage } from "./pillow-resize";

type Sharp = typeof sharpFunction;

/** Beyond it a picture is taken for a bomb. */
const mostPixels = 100_000_000;

let loaded: Promise<Sharp> | undefined;

/** At its first use, so that nothing else depends on whether its library is there. */
function sharp(): Promise<Sharp> {
  loaded ??= import("sharp").then(
    (module) => module.default,
    (error: unknown) => {
      throw new HireSnnError(
        "IO",
        `Expected the package sharp, which reads PNG and JPEG, but it cannot be loaded: ${(error as Error).message}; install it with ` +
          "npm install --include=optional sharp",
        { cause: error },
      );
    },
  );
  return loaded;
}

/**
 * A PNG or JPEG as RGB, [H, W, 3], with the values that `PIL.Image.open(file).convert("RGB")` gives: transparency and colour profiles
 * are dropped, not applied, nor is it turned by its EXIF orientation.
 *
 * @param path for messages
 * @throws HireSnnError DATASET_INVALID if it is something else, damaged, of more than 8 bits, or of more than 10^8 pixels
 */
export async function decodeImage(content: Uint8Array, path: string): Promise<ByteImage> {
  const open = await sharp();
  try {
    const image = open(content, { ignoreIcc: true, failOn: "error", limitInputPixels: mostPixels });
    const { format, depth, space } = await image.metadata();
    if (format !== "png" && format !== "jpeg") throw invalid(path, "a PNG or JPEG", format);
    if (depth !== "uchar") throw invalid(path, "8 bits a channel", depth);
    const cmyk = space === "cmyk";
    const pipeline = cmyk
      ? image.pipelineColourspace("cmyk").toColourspace("cmyk")
      : image.toColourspace("srgb").removeAlpha();
    const { data, info } = await pipeline.raw().toBuffer({ resolveWithObject: true });
    const { width, height, channels } = info;
    if (channels !== (cmyk ? 4 : 3))
      throw invalid(path, "red, green and blue", `${channels} channels (${space})`);
    return { width, height, channels: 3, data: cmyk ? rgbOfCmyk(data) : data };
  } catch (error) {
    if (error instanceof HireSnnError) throw error;
    throw invalid(path, "a whole PNG or JPEG", (error as Error).message, error);
  }
}

/** Pillow's conversion: each ink takes its share of what black leaves. */
function rgbOfCmyk(inks: Uint8Array): Uint8Array {
  const colours = new Uint8Array((inks.length / 4) * 3);
  for (let i = 0, at = 0; i < inks.length; i += 4) {
    const left = 255 - (inks[i + 3] as number);
    for (let c = 0; c < 3; c++) {
      const product = (inks[i + c] as number) * left + 128;
      colours[at++] = left - (((product >> 8) + product) >> 8);
    }
  }
  return colours;
}

function invalid(path: string, expected: string, found: string, cause?: unknown): HireSnnError {
  return new HireSnnError("DATASET_INVALID", `Expected ${expected} in ${path} but found ${found}`, { cause });
}
