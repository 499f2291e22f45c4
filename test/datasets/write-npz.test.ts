import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openDataset } from "../../src/datasets/open-dataset";
import { writeNpz, type NpzDescription } from "../../src/datasets/write-npz";
import { temporaryFolder } from "../support/temporary-folder";
import { goldenFolder } from "./golden";

const folder = temporaryFolder();
const golden = join(goldenFolder, "arrays", "float32.npz");

const description: NpzDescription = {
  ...{ length: 3, imageShape: [1, 4, 5], classes: ["ant", "bee", "éléphant"], mean: [0.5], std: [0.25] },
};
const images = Float32Array.from({ length: 60 }, (_, i) => Math.fround(i / 60));
const batches = [
  { images: images.subarray(0, 40), labels: Int32Array.of(2, 0) },
  { images: images.subarray(40), labels: Int32Array.of(1) },
];

/** The stored members of a zip archive by its local headers: name to content. */
function members(path: string): Record<string, string> {
  const zip = readFileSync(path);
  const found: Record<string, string> = {};
  const directory = zip.readUInt32LE(zip.lastIndexOf("PK\x05\x06") + 16);
  for (let at = directory; zip.readUInt32LE(at) === 0x02014b50;) {
    const size = zip.readUInt32LE(at + 24);
    const nameLength = zip.readUInt16LE(at + 28);
    const local = zip.readUInt32LE(at + 42);
    const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    found[zip.toString("utf8", at + 46, at + 46 + nameLength)] = zip.toString("hex", start, start + size);
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  return found;
}

test("the arrays are, byte for byte, those that NumPy writes", async () => {
  const path = join(folder, "same.npz");
  await writeNpz(path, description, batches);
  const written = members(path);
  expect(Object.keys(written).sort()).toEqual([
    "classes.npy",
    "images.npy",
    "labels.npy",
    "mean.npy",
    "std.npy",
  ]);
  expect(written).toEqual(members(golden));
});

test("what is written is read back, and one content is one file", async () => {
  const [one, other] = [join(folder, "one.npz"), join(folder, "other.npz")];
  const source = await openDataset("npz", { data: golden });
  async function* read() {
    for (let start = 0; start < source.length; start += 2) yield await source.read(start, 2);
  }
  await writeNpz(one, source, read());
  await writeNpz(other, { ...description }, batches);
  expect(readFileSync(one).equals(readFileSync(other))).toBe(true);
  const back = await openDataset("npz", { data: one });
  expect(await back.read(0, 3)).toEqual(await source.read(0, 3));
  expect(back).toMatchObject({ sha256: source.sha256, classes: source.classes });
  await back.close();
  await source.close();
});

test.each([
  [
    "a pixel above 1",
    [{ images: new Float32Array(60).fill(1.5), labels: new Int32Array(3) }],
    /pixels in \[0, 1\] in image 0/,
  ],
  [
    "NaN",
    [batches[0]!, { images: new Float32Array(20).fill(NaN), labels: new Int32Array(1) }],
    /in image 2 .* NaN/,
  ],
  ["a label that no class has", [{ images, labels: Int32Array.of(0, 3, 0) }], /labels from 0 to 2 .* 3/],
  ["too few images", [batches[0]!], /3 images .* 2/],
  ["too many images", [...batches, batches[1]!], /3 images .* more/],
  [
    "images of another size",
    [{ images: images.subarray(1), labels: new Int32Array(3) }],
    /60 pixels for 3 labels .* 59/,
  ],
])("refuses %s and leaves nothing", async (name, content, message) => {
  const path = join(folder, `${name}.npz`);
  await expect(writeNpz(path, description, content)).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringMatching(message) as string,
  });
  expect(existsSync(path)).toBe(false);
  expect(readdirSync(folder).filter((file) => file.endsWith(".partial"))).toEqual([]);
});

test("a folder that is not there", async () => {
  await expect(writeNpz(join(folder, "none", "x.npz"), description, batches)).rejects.toMatchObject({
    code: "IO",
  });
});
