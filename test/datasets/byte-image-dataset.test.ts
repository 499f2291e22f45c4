import { ByteImageDataset, type ByteImages } from "../../src/datasets/byte-image-dataset";

const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);

function dataset(labels: number[], pixels: Uint8Array): ByteImageDataset {
  const size = pixels.length / labels.length;
  return new ByteImageDataset(
    {
      ...{ name: "bytes", split: "test", classes: ["a", "b"], imageShape: [1, 1, size] },
      ...{ mean: [0], std: [1] },
    },
    {
      length: labels.length,
      files: ["/data/bytes.bin"],
      sha256: "00",
      read: (start, count): Promise<ByteImages> =>
        Promise.resolve({
          labels: Uint8Array.from(labels.slice(start, start + count)),
          pixels: pixels.slice(start * size, (start + count) * size),
        }),
      close: () => Promise.resolve(),
    },
  );
}

test("a pixel is the float32 quotient of its byte and 255", async () => {
  const { images } = await dataset([0], bytes).read(0, 1);
  const quotients = Array.from(bytes, (byte) => Math.fround(byte / 255));
  expect(Array.from(images)).toEqual(quotients);
  // Another rounding than that of a multiplication by the reciprocal
  expect(quotients).not.toEqual(Array.from(bytes, (byte) => Math.fround(byte * Math.fround(1 / 255))));
});

test("batches end with the set", async () => {
  const set = dataset([0, 1, 0, 1], bytes);
  expect(await set.read(3, 5)).toMatchObject({ start: 3, labels: Int32Array.of(1) });
  expect((await set.read(4, 5)).labels).toHaveLength(0);
});

test("a label that no class has is refused with sample and file", async () => {
  await expect(dataset([0, 1, 7, 1], bytes).read(1, 3)).rejects.toMatchObject({
    code: "DATASET_INVALID",
    message: expect.stringMatching(/sample 2 .* found 7 in \/data\/bytes\.bin/) as string,
  });
});

test.each([
  [-1, 1],
  [5, 1],
  [0.5, 1],
  [0, -1],
  [0, Number.NaN],
])("refuses to read(%d, %d)", async (start, count) => {
  await expect(dataset([0, 1, 0, 1], bytes).read(start, count)).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
  });
});
