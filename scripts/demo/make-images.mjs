// Draws the demo's image set: `node scripts/demo/make-images.mjs [FOLDER --split test|train --count N]`.
//
// Without arguments, the committed test set in examples/demo. A set is images.bin, records of one label byte and C x H x W pixel
// bytes, and images.json, which says what they are.
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { classes, drawImage, imageShape } from "./shapes.mjs";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const seed = 2021;
/** Of the training set of 8,000 images, per channel, as the scripts of CIFAR state theirs: a set's own would depend on its split. */
const mean = [0.43, 0.43, 0.43];
const std = [0.095, 0.095, 0.095];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { split: { type: "string", default: "test" }, count: { type: "string", default: "320" } },
});
const folder = positionals[0] ?? join(root, "examples", "demo");
const count = Number(values.count);
if (
  !Number.isInteger(count) ||
  count < 1 ||
  !["test", "train"].includes(values.split) ||
  positionals.length > 1
) {
  process.stderr.write(
    "Usage: node scripts/demo/make-images.mjs [FOLDER] [--split test|train] [--count N]\n",
  );
  process.exit(2);
}

const elements = imageShape.reduce((product, length) => product * length, 1);
const records = Buffer.alloc(count * (1 + elements));
for (let index = 0; index < count; index++) {
  const { label, bytes } = drawImage(`shapes/${seed}/${values.split}`, index);
  records[index * (1 + elements)] = label;
  records.set(bytes, index * (1 + elements) + 1);
}
const description = {
  name: "shapes",
  imageShape,
  classes,
  count,
  mean,
  std,
  sha256: createHash("sha256").update(records).digest("hex"),
};
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, "images.bin"), records);
writeFileSync(join(folder, "images.json"), `${JSON.stringify(description, null, 2)}\n`);
process.stderr.write(`${count} images in ${relative(process.cwd(), folder) || "."}\n`);
