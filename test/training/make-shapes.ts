import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { join } from "node:path";
import { root } from "../cli/run-cli";

/** Draws images of the demo's set for training. */
export async function makeShapes(folder: string, count: number): Promise<void> {
  const script = join(root, "scripts", "demo", "make-images.mjs");
  await promisify(execFile)(process.execPath, [script, folder, "--split", "train", "--count", String(count)]);
}
