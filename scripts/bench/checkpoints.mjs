// The networks that are measured, as checkpoints in the original's form in the cache folder: every contender loads the same file.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder } from "../setup/cache-folder.mjs";
import { withLock } from "../setup/lock.mjs";
import { capture, describeEnd } from "../setup/processes.mjs";
import { say, SetupError } from "../setup/report.mjs";

const script = fileURLToPath(new URL("python/calibrated.py", import.meta.url));
const seed = 1;
const percentile = 0.997;
/** The first of the training part: what is measured is shown other images. */
const calibrationImages = 32;
/** As the training pipeline of the original's family finds thresholds: deep layers are silent in the first steps. */
const calibrationTimesteps = 100;

/** The layers of the original's networks for the data set's classes, in the package's compact form. */
export const layersOf = {
  VGG5: (classes) => `64,A,128,128,A/4096,4096,${classes}`,
  VGG11: (classes) => `64,A,128,256,A,512,512,512,A,512,512/4096,4096,${classes}`,
  VGG16: (classes) => `64,64,A,128,128,A,256,256,256,A,512,512,512,A,512,512,512/4096,4096,${classes}`,
};

/**
 * @param {string} name a network of {@link layersOf}
 * @param {number[]} scales what the thresholds are multiplied by, a file each
 * @returns {Promise<{ path: string, scale: number, name: string, network: string, bytes: number }[]>}
 */
export async function calibratedCheckpoints(name, scales, { python, environment }, pixels) {
  const network = layersOf[name](pixels.dataset.classes.length);
  // Whatever changes the file changes its name.
  const recipe = [network, seed, percentile, calibrationImages, calibrationTimesteps];
  for (const file of [script, fileURLToPath(new URL("../reference/calibration.py", import.meta.url))])
    recipe.push(readFileSync(file, "utf8"));
  const key = createHash("sha256").update(JSON.stringify(recipe)).digest("hex").slice(0, 12);
  const folder = join(cacheFolder(), "bench");
  const outputs = scales.map((scale) => ({
    scale,
    file: join(folder, `${name.toLowerCase()}-${pixels.dataset.name}-x${scale}-${key}.pt`),
  }));
  await withLock(join(folder, `${key}.lock`), "calibrating a network for the benchmark", async () => {
    const absent = outputs.filter(({ file }) => !existsSync(file));
    if (absent.length === 0) return;
    say(`calibrating ${name} (once)`);
    mkdirSync(folder, { recursive: true });
    const { images } = await pixels.raw("train", calibrationImages);
    const { mean, std } = pixels.dataset;
    const order = { network, seed, percentile, timesteps: calibrationTimesteps, images, mean, std };
    const result = await capture(python, [script], {
      env: { ...process.env, ...environment, OMP_WAIT_POLICY: "passive" },
      input: JSON.stringify({ ...order, outputs: absent }),
    });
    if (result.code !== 0) {
      const reason = result.stderr.trim().split("\n").at(-1);
      throw new SetupError(`${basename(script)} failed: ${describeEnd("it", result)}: ${reason}`);
    }
  });
  return outputs.map(({ scale, file }) => ({
    ...{ path: file, scale, name, network, bytes: statSync(file).size },
    what: `${name}, initial weights, thresholds ${scale} x the ${100 * percentile}th percentile`,
  }));
}

/** A user's checkpoint: the package recognises its network, and the peers build the same. */
export async function ownCheckpoint(path) {
  if (!existsSync(path)) throw new SetupError(`Expected a checkpoint at ${path} but there is no file.`);
  const { loadClassifier } = createRequire(import.meta.url)("../../lib/index.js");
  const classifier = await loadClassifier(path);
  const { network, timesteps, origin } = classifier;
  classifier.dispose();
  const features = network.layers.flatMap(({ kind, outputShape }) =>
    kind === "conv" ? [outputShape[0]] : kind === "average-pool" ? ["A"] : [],
  );
  const widths = network.layers.flatMap(({ kind, outputShape }) =>
    kind === "linear" || kind === "output" ? [outputShape[0]] : [],
  );
  if (
    network.layers.some(({ kernel = 3, stride = 1, shortcut }) => kernel !== 3 || stride !== 1 || shortcut)
  ) {
    throw new SetupError(
      `The peers know the original's VGG networks with kernel 3; ${path} holds ${network.name}.`,
    );
  }
  return {
    ...{ path, scale: null, name: network.name, network: `${features.join()}/${widths.join()}` },
    ...{ bytes: statSync(path).size, timesteps, timestepsFrom: origin.timestepsFrom },
    what: `${network.name}, ${basename(path)}`,
  };
}

/** Images as the package's reader gives them, and as raw files for Python. */
export class Pixels {
  #folder;
  #open = new Map();

  constructor(name, data, folder) {
    this.name = name;
    this.data = data;
    this.#folder = folder;
  }

  static async open(name, data, folder) {
    const pixels = new Pixels(name, data, folder);
    pixels.dataset = await pixels.#part("test");
    return pixels;
  }

  /** The first `count` images and labels of a part, as files. */
  async raw(split, count) {
    const dataset = await this.#part(split);
    const { images, labels } = await dataset.read(0, count);
    const file = (what) => join(this.#folder, `${split}-${count}.${what}`);
    writeFileSync(file("images"), images);
    writeFileSync(file("labels"), labels);
    const shape = dataset.imageShape;
    return {
      images: { file: file("images"), count: labels.length, shape },
      labels: { file: file("labels"), count: labels.length },
    };
  }

  async close() {
    for (const dataset of this.#open.values()) await dataset.close();
  }

  async #part(split) {
    if (!this.#open.has(split)) {
      const { openDataset } = createRequire(import.meta.url)("../../lib/index.js");
      this.#open.set(split, await openDataset(this.name, { data: this.data, split }));
    }
    return this.#open.get(split);
  }
}
