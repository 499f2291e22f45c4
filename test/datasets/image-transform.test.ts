import { readFileSync } from "node:fs";
import { join } from "node:path";
import { decodeImage } from "../../src/datasets/decode-image";
import { transformImage } from "../../src/datasets/image-transform";
import { pillowResize, type ByteImage } from "../../src/datasets/pillow-resize";
import { goldenFolder, readGolden, sha256 } from "./golden";

let picture: ByteImage;
beforeAll(async () => {
  picture = await decodeImage(readFileSync(join(goldenFolder, "decode", "rgb.png")), "rgb.png");
});

function turn({ width, height, channels, data }: ByteImage): ByteImage {
  const turned = new Uint8Array(data.length);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < channels; c++)
        turned[(x * height + y) * channels + c] = data[(y * width + x) * channels + c]!;
  return { width: height, height: width, channels, data: turned };
}

test.each(readGolden().transforms)(
  "turned: $turned, resize $resize, crop $crop: the bytes that torchvision gives",
  ({ turned, resize, crop, ...expected }) => {
    const { width, height, data } = transformImage(turned ? turn(picture) : picture, {
      resize: resize ?? undefined,
      crop: crop ?? undefined,
    });
    expect({ width, height, sha256: sha256(data) }).toEqual(expected);
  },
);

test("a flat image stays flat: the weights of every pixel sum to one", () => {
  const flat = { width: 37, height: 23, channels: 1, data: new Uint8Array(37 * 23).fill(255) };
  for (const [width, height] of [
    [5, 5],
    [36, 24],
    [111, 50],
  ] as const) {
    expect(pillowResize(flat, width, height).data.every((byte) => byte === 255)).toBe(true);
  }
});

test("without options the image is the image", () => {
  expect(transformImage(picture, {})).toBe(picture);
});
