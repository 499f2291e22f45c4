// Draws the demo's image set: `node scripts/demo/make-images.mjs [FOLDER --split test|train --count N]`, after the set-up.
//
// Without arguments, the committed test set in examples/demo. How they are drawn: src/datasets/draw-shapes.ts.
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { drawShapes } from "../../lib/datasets/draw-shapes.js";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

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
await drawShapes(folder, values.split, count);
process.stderr.write(`${count} images in ${relative(process.cwd(), folder) || "."}\n`);
