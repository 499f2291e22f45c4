import { readFileSync } from "node:fs";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import { crc32 } from "node:zlib";
import { decodeImage } from "../../src/datasets/decode-image";
import { goldenFolder, readGolden, sha256 } from "./golden";

const { decoded } = readGolden();

function content(name: string): Buffer {
  return readFileSync(join(goldenFolder, "decode", name));
}

test.each(Object.entries(decoded))("%s has the bytes that Pillow gives", async (name, expected) => {
  const { width, height, channels, data } = await decodeImage(content(name), name);
  expect({ width, height, sha256: sha256(data) }).toEqual(expected);
  expect([channels, data.length]).toEqual([3, width * height * 3]);
});

test("the golden files differ where a decoder could err", () => {
  // Nothing but the orientation and the profile are different in these: both are to be ignored.
  expect(decoded["turned.jpg"]).toEqual(decoded["profile.jpg"]);
  expect(new Set(Object.values(decoded).map((image) => image.sha256)).size).toBeGreaterThan(10);
});

/** A PNG that says it has so many pixels, and has next to none. */
function largePng(width: number, height: number): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(data.length, 0);
    frame.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  };
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0]);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(Buffer.alloc(1000))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

test.each([
  ["16 bits a channel", content("16-bit.png"), /8 bits a channel in x.png but found ushort/],
  ["a cut JPEG", content("420.jpg").subarray(0, 1000), /whole PNG or JPEG in x.png/],
  ["a cut PNG", content("rgb.png").subarray(0, 3000), /whole PNG or JPEG in x.png/],
  ["no image", Buffer.from("hello"), /whole PNG or JPEG in x.png/],
  ["nothing", Buffer.alloc(0), /whole PNG or JPEG in x.png/],
  [
    "an SVG",
    Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>'),
    /a PNG or JPEG in x.png but found svg/,
  ],
  ["more than 10^8 pixels", largePng(20_000, 20_000), /exceeds pixel limit/],
])("refuses %s", async (_, bytes, message) => {
  await expect(decodeImage(bytes, "x.png")).rejects.toMatchObject({
    code: "DATASET_INVALID",
    message: expect.stringMatching(message) as string,
  });
});
