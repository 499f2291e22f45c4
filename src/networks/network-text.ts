import { HireSnnError } from "../errors";
import { buildNetwork } from "./build-network";
import type { Feature } from "./feature-layers";
import type { Network, Shape } from "./network";
import type { ResidualLayer } from "./resnet";

/**
 * A network in one line: convolutions, a slash, linear layers of which the last is the output:
 *
 *     8,A,16,16,A/64,10           input 3x32x32, kernel 3
 *     8,A,16/10@1x28x28           no hidden linear layer, input of another shape
 *     8,A,16/10@3x16x16:k5        kernel 5
 *     8,8,A,R8x2,R16/10           two residual blocks of 8 channels, and one of 16 with stride 2
 *
 *     network  = features "/" widths [ "@" C "x" H "x" W ] [ ":k" kernel ]
 *     features = channels { "," ( channels | "A" ) } { "," residual }       A pools behind a convolution
 *     residual = "R" channels [ "x" blocks ]                                each but the first begins with stride 2
 *     widths   = { hidden "," } classes                                     residual networks have no hidden ones
 *
 * Spaces do not matter.
 */
const pattern = /^([\dARx,]+)\/([\d,]+)(?:@(\d+)x(\d+)x(\d+))?(?::k(\d+))?$/i;

/** What a text leaves open. */
export interface NetworkDefaults {
  /** [C, H, W]; 3x32x32 if this is absent too. */
  readonly inputShape?: Shape | undefined;
  /** 3 if this is absent too. */
  readonly kernel?: number | undefined;
}

const DEFAULT_INPUT: Shape = [3, 32, 32];
const DEFAULT_KERNEL = 3;

/** Whether a text is meant as layers rather than as a name. */
export function looksLikeLayers(text: string): boolean {
  return text.includes("/") || text.includes(",");
}

/**
 * @throws HireSnnError NETWORK_INVALID if the text does not follow the grammar, or contradicts the given shape or kernel, or
 *   if the network cannot be built
 */
export function parseNetwork(text: string, defaults: NetworkDefaults = {}): Network {
  const match = pattern.exec(text.replaceAll(/\s/g, ""));
  if (!match) {
    throw new HireSnnError(
      "NETWORK_INVALID",
      `Expected a network as features/widths with the classes last, as in "64,A,128,128,A/4096,4096,10", ` +
        `"8,A,16/10@1x28x28:k5" or "16,A,R16x2,R32/10", found ${JSON.stringify(text)}.`,
    );
  }
  const [, featureText = "", widthText = "", ...rest] = match;
  const [channels, height, width, writtenKernel] = rest.map((part: string | undefined) =>
    part === undefined ? undefined : Number(part),
  );
  const features = parts(featureText, text).map((part) => toFeature(part, text));
  const widths = parts(widthText, text).map((part) => toWidth(part, text));

  const written = channels === undefined ? undefined : ([channels, height, width] as unknown as Shape);
  const inputShape = agreed(text, "input", written, defaults.inputShape) ?? DEFAULT_INPUT;
  const kernel = agreed(text, "kernel", writtenKernel, defaults.kernel) ?? DEFAULT_KERNEL;
  return buildNetwork({
    name: text.replaceAll(/\s/g, ""),
    features,
    hidden: widths.slice(0, -1),
    classes: widths.at(-1) ?? 0,
    inputShape,
    kernel,
  });
}

function parts(list: string, text: string): string[] {
  const items = list.split(",");
  if (items.some((item) => item === "")) {
    throw new HireSnnError(
      "NETWORK_INVALID",
      `Expected single commas between the layers of ${JSON.stringify(text)}.`,
    );
  }
  return items;
}

function toFeature(part: string, text: string): Feature | ResidualLayer {
  if (/^a$/i.test(part)) return "A";
  const [, channels, blocks = "1"] = /^r(\d+)(?:x(\d+))?$/i.exec(part) ?? [];
  if (channels === undefined) return toWidth(part, text);
  return { channels: toWidth(channels, text), blocks: toWidth(blocks, text) };
}

function toWidth(part: string, text: string): number {
  if (!/^\d{1,6}$/.test(part)) {
    throw new HireSnnError(
      "NETWORK_INVALID",
      `Expected a number of channels or neurons, found "${part}" in "${text}".`,
    );
  }
  return Number(part);
}

/** The one value that two places give; both may stay silent. */
function agreed<T>(text: string, what: string, written: T | undefined, given: T | undefined): T | undefined {
  if (written !== undefined && given !== undefined && String(written) !== String(given)) {
    throw new HireSnnError(
      "NETWORK_INVALID",
      `Expected one ${what} for network "${text}", found ${String(written)} in it and ${String(given)} beside it.`,
    );
  }
  return written ?? given;
}
