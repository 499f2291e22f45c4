import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { decodeImage } from "../../src/datasets/decode-image";
import { openDataset, type OpenDatasetOptions } from "../../src/datasets/open-dataset";
import { temporaryFolder } from "../support/temporary-folder";
import { goldenFolder } from "./golden";

const top = temporaryFolder();
const statistics = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** A folder of golden images: path to the golden file's name, or to a text. */
function makeFolder(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(top, "set-"));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    if (/^[\w-]+\.(png|jpg)$/.test(content))
      copyFileSync(join(goldenFolder, "decode", content), join(folder, path));
    else writeFileSync(join(folder, path), content);
  }
  return folder;
}

async function open(data: string, options: OpenDatasetOptions = {}) {
  const dataset = await openDataset("folder", { data, ...statistics, ...options });
  const labels = Array.from((await dataset.read(0, dataset.length)).labels);
  return { dataset, labels, paths: dataset.files.map((path) => relative(data, path)) };
}

test("a folder per class: torchvision's classes and order", async () => {
  const folder = makeFolder({
    "test/b/2.png": "rgb.png",
    "test/b/10.JPEG": "420.jpg",
    "test/a/z.png": "grey.png",
    "test/a/deep/1.jpg": "444.jpg",
    "test/a/notes.txt": "not an image",
    "train/a/1.png": "rgb.png",
  });
  const { dataset, labels, paths } = await open(folder);
  expect(paths).toEqual(["test/a/z.png", "test/a/deep/1.jpg", "test/b/10.JPEG", "test/b/2.png"]);
  expect(labels).toEqual([0, 0, 1, 1]);
  expect(dataset).toMatchObject({
    name: "folder",
    classes: ["a", "b"],
    imageShape: [3, 45, 61],
    ...statistics,
  });
  expect((await open(folder, { split: "train" })).paths).toEqual(["train/a/1.png"]);
  // One split's folder itself
  expect((await open(join(folder, "test"))).paths).toHaveLength(4);
});

test("pixels are the decoded bytes, channel by channel", async () => {
  const { dataset } = await open(makeFolder({ "a/1.png": "grey.png", "b/1.png": "rgb.png" }));
  const { images, start } = await dataset.read(1, 1);
  const { data } = await decodeImage(readFileSync(join(goldenFolder, "decode", "rgb.png")), "rgb.png");
  const plane = 45 * 61;
  expect(start).toBe(1);
  expect(images).toEqual(
    Float32Array.from({ length: 3 * plane }, (_, i) => data[3 * (i % plane) + Math.floor(i / plane)]! / 255),
  );
});

test("resize and crop decide the shape and belong to the hash", async () => {
  const folder = makeFolder({ "val/a/1.png": "rgb.png", "val/b/1.png": "alpha.png" });
  const plain = (await open(folder)).dataset;
  const cropped = (await open(folder, { resize: 36, crop: 32 })).dataset;
  const resized = (await open(folder, { resize: 36 })).dataset;
  expect([plain, cropped, resized].map(({ imageShape }) => imageShape)).toEqual([
    [3, 45, 61],
    [3, 32, 32],
    [3, 36, 48],
  ]);
  expect(new Set([plain, cropped, resized].map(({ sha256 }) => sha256)).size).toBe(3);
  expect((await cropped.read(0, 2)).images).toHaveLength(2 * 3 * 32 * 32);
  expect((await open(folder)).dataset.sha256).toBe(plain.sha256);
});

test("the hash is another for another file, name or label", async () => {
  const files = { "a/1.png": "rgb.png", "b/1.png": "rgb.png" };
  const all = [
    files,
    { ...files, "b/1.png": "grey.png" },
    { "a/1.png": "rgb.png", "b/2.png": "rgb.png" },
    { ...files, "classes.txt": "b\na\n" },
  ];
  const hashes = await Promise.all(all.map(async (each) => (await open(makeFolder(each))).dataset.sha256));
  expect(new Set(hashes).size).toBe(4);
});

test("ImageNet's layout: train and val by synset", async () => {
  const folder = makeFolder({
    "train/n01440764/n01440764_10026.JPEG": "420.jpg",
    "train/n01443537/n01443537_10007.JPEG": "420.jpg",
    "val/n01440764/ILSVRC2012_val_00000293.JPEG": "444.jpg",
    "val/n01443537/ILSVRC2012_val_00000236.JPEG": "cmyk.jpg",
  });
  const { dataset, labels } = await open(folder, { resize: 40, crop: 32 });
  expect(dataset.classes).toEqual(["n01440764", "n01443537"]);
  expect(labels).toEqual([0, 1]);
});

test("Tiny-ImageNet's layout: annotations, images beside them, sorted wnids", async () => {
  const folder = makeFolder({
    "wnids.txt": "n03\nn01\nn02\n",
    "val/val_annotations.txt": "val_1.JPEG\tn02\t0\t32\t44\t62\nval_0.JPEG\tn01\t52\t55\t57\t59\n",
    "val/images/val_0.JPEG": "420.jpg",
    "val/images/val_1.JPEG": "444.jpg",
    // Published without labels
    "test/images/test_0.JPEG": "420.jpg",
    "train/n01/images/n01_0.JPEG": "420.jpg",
    "train/n01/n01_boxes.txt": "n01_0.JPEG\t0\t10\t63\t58\n",
    "train/n02/images/n02_0.JPEG": "420.jpg",
    "train/n03/images/n03_0.JPEG": "444.jpg",
  });
  const val = await open(folder);
  expect(val.dataset.classes).toEqual(["n01", "n02", "n03"]);
  expect(val.paths).toEqual(["val/images/val_1.JPEG", "val/images/val_0.JPEG"]);
  expect(val.labels).toEqual([1, 0]);
  const train = await open(folder, { split: "train" });
  expect(train.labels).toEqual([0, 1, 2]);
  expect(train.dataset.classes).toEqual(val.dataset.classes);
});

test.each([
  [
    "names, commas and a heading",
    { "labels.csv": "path,class\n1.png,dog\nsub/2.png,cat\n" },
    {},
    ["cat", "dog"],
    [1, 0],
  ],
  [
    "numbers and their count",
    { "labels.txt": "1.png 2\nsub/2.png 0\n" },
    { classes: 3 },
    ["0", "1", "2"],
    [2, 0],
  ],
  [
    "numbers and names",
    { "labels.tsv": "1.png\t1\nsub/2.png\t0\n", "classes.txt": "dog\ncat\n" },
    {},
    ["dog", "cat"],
    [1, 0],
  ],
  [
    "names in the order of the option",
    { "labels.csv": "1.png,dog\nsub/2.png,cat" },
    { classes: ["x", "dog", "cat"] },
    ["x", "dog", "cat"],
    [1, 2],
  ],
])("a labels file with %s", async (_, files, options, classes, expected) => {
  const { dataset, labels } = await open(
    makeFolder({ "1.png": "rgb.png", "sub/2.png": "grey.png", ...files }),
    options,
  );
  expect(dataset.classes).toEqual(classes);
  expect(labels).toEqual(expected);
});

describe("refuses", () => {
  const two = { "1.png": "rgb.png", "2.png": "grey.png" };
  test.each<[string, Record<string, string>, OpenDatasetOptions, RegExp]>([
    ["an empty folder", {}, {}, /a labels file .* or a folder per class .* neither/],
    ["a class without images", { "a/1.png": "rgb.png", "b/x.txt": "x" }, {}, /images in .*b but found none/],
    ["images of a form that is not read", { "a/1.bmp": "x" }, {}, /PNG or JPEG images in .* found 1\.bmp/],
    [
      "a class that is not listed",
      { "c/1.png": "rgb.png", "classes.txt": "a\nb\n" },
      {},
      /classes a, b in .* found c/,
    ],
    ["another number of classes", { "a/1.png": "rgb.png" }, { classes: 5 }, /5 classes in .* found 1/],
    ["a class listed twice", { "a/1.png": "rgb.png", "classes.txt": "a\na\n" }, {}, /each class once/],
    ["a picture that is none", { "a/1.png": "not a picture" }, {}, /whole PNG or JPEG in .*1\.png/],
    [
      "a missing file",
      { ...two, "labels.csv": "1.png,a\n3.png,b" },
      {},
      /3\.png, which line 2 .* no such file/,
    ],
    [
      "an image named twice",
      { ...two, "labels.csv": "1.png,a\n1.png,b" },
      {},
      /each image once .* 1\.png twice/,
    ],
    [
      "a line without a class",
      { ...two, "labels.csv": "1.png,a\n2.png" },
      {},
      /a path and a class in line 2/,
    ],
    ["a path outwards", { ...two, "labels.csv": "../1.png,a" }, {}, /a path within the folder in line 1/],
    ["an absolute path", { ...two, "labels.csv": "/etc/1.png,a" }, {}, /a path within the folder in line 1/],
    [
      "a label beyond the classes",
      { ...two, "labels.csv": "1.png,0\n2.png,2" },
      { classes: 2 },
      /one of 2 classes in line 2 .* found 2/,
    ],
    [
      "an unknown class",
      { ...two, "labels.csv": "1.png,a\n2.png,c", "classes.txt": "a\nb" },
      {},
      /one of 2 classes in line 2 .* found c/,
    ],
    ["an empty labels file", { ...two, "labels.csv": "\n" }, {}, /images in .*labels\.csv but found none/],
  ])("%s", async (_, files, options, message) => {
    await expect(open(makeFolder(files), options)).rejects.toMatchObject({
      code: "DATASET_INVALID",
      message: expect.stringMatching(message) as string,
    });
  });

  test("images of several sizes, with the way out", async () => {
    const folder = makeFolder({ "a/1.png": "rgb.png", "labels.txt": "" });
    const cropped = makeFolder({ "a/1.png": "rgb.png" });
    writeFileSync(
      join(cropped, "a", "2.png"),
      await (
        await import("sharp")
      )
        .default(join(folder, "a", "1.png"))
        .extract({ left: 0, top: 0, width: 45, height: 45 })
        .png()
        .toBuffer(),
    );
    const refusal = {
      code: "DATASET_INVALID",
      message: expect.stringMatching(
        /61 x 45, as the first one is, in .*2\.png but found 45 x 45; .*--resize/,
      ) as string,
    };
    await expect(open(cropped)).rejects.toMatchObject(refusal);
    expect((await open(cropped, { resize: 45, crop: 45 })).labels).toEqual([0, 0]);
  });

  test("a link to a folder among the images", async () => {
    const folder = makeFolder({ "a/1.png": "rgb.png" });
    symlinkSync(folder, join(folder, "a", "again"));
    await expect(open(folder)).rejects.toThrow(/again, a link to a folder/);
  });

  test.each<[string, OpenDatasetOptions, RegExp]>([
    ["no mean", { mean: undefined }, /mean and std/],
    ["a size of 0", { resize: 0 }, /1 to 10000 pixels for resize/],
    ["a size that is no integer", { crop: 2.5 }, /1 to 10000 pixels for crop/],
  ])("%s", async (_, options, message) => {
    await expect(open(makeFolder({ "a/1.png": "rgb.png" }), options)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringMatching(message) as string,
    });
  });

  test("numbers of nobody knows how many classes", async () => {
    await expect(open(makeFolder({ ...two, "labels.csv": "1.png,0\n2.png,2" }))).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringMatching(/number of classes \(--classes\)/) as string,
    });
  });

  test("no folder", async () => {
    await expect(openDataset("folder", statistics)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(open(join(top, "none"))).rejects.toThrow(/no such folder/);
  });
});

test("a file that goes away meanwhile", async () => {
  const folder = makeFolder({ "a/1.png": "rgb.png", "a/2.png": "grey.png" });
  const { dataset } = await open(folder);
  writeFileSync(join(folder, "a", "2.png"), "");
  await expect(dataset.read(1, 1)).rejects.toMatchObject({ code: "DATASET_INVALID" });
});
