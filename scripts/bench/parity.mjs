// Whether the contenders compute the same network: spikes bit by bit, logits and gradients against the original's.
//
// float32 sums in another order flip a spike whose membrane is at its threshold to within rounding, and what follows a flip differs
// for good: a share of differing spikes is no error. SpikingJelly moreover fires at >=. What is asserted is therefore that shares are
// small and rates equal, which a network built wrongly misses by far.
import { readFileSync } from "node:fs";
import { join } from "node:path";

const limits = {
  /** Differing spikes, of the spikes that the original fires. */
  flips: 0.02,
  /** Difference of a layer's spikes, of the original's. */
  rate: 0.02,
  /** Differing signs of the input gradient. */
  signs: 0.15,
};

const bits = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll("0", "").length);

/**
 * @param {string} folder with a folder for each contender
 * @param {Record<string, { layers: { name: string, neuronSteps: number, spikes: number }[] }>} checks answers to `check`
 */
export function compareAll(folder, checks) {
  const original = checks.reference;
  if (!original) return null;
  const compared = {};
  for (const [id, { layers }] of Object.entries(checks)) {
    if (id !== "reference") compared[id] = compare(folder, id, layers, original.layers);
  }
  return { limits, neuronSteps: sum(original.layers, "neuronSteps"), contenders: compared };
}

function compare(folder, id, layers, originals) {
  const failures = [];
  const names = originals.map(({ name }) => name).join();
  if (layers.map(({ name }) => name).join() !== names) {
    return {
      failures: [`expected the spiking layers ${names} but found ${layers.map((l) => l.name).join()}`],
    };
  }
  const perLayer = layers.map(({ name, neuronSteps, spikes }, index) => {
    const expected = originals[index];
    if (neuronSteps !== expected.neuronSteps)
      failures.push(`${name}: expected ${expected.neuronSteps} neuron steps but found ${neuronSteps}`);
    const difference = Math.abs(spikes - expected.spikes) / Math.max(1, expected.spikes);
    if (difference > limits.rate)
      failures.push(
        `${name}: expected ${expected.spikes} spikes within ${100 * limits.rate} % but found ${spikes}`,
      );
    return { name, flips: differingBits(file(folder, "reference", name), file(folder, id, name)), spikes };
  });
  const flips = sum(perLayer, "flips");
  const share = flips / Math.max(1, sum(originals, "spikes"));
  if (share > limits.flips) {
    failures.push(
      `expected at most ${100 * limits.flips} % differing spikes but found ${(100 * share).toFixed(2)} %`,
    );
  }
  const logits = floats(folder, "reference", "logits");
  const largest = logits.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const others = floats(folder, id, "logits");
  const logitDifference =
    others.reduce((most, value, i) => Math.max(most, Math.abs(value - logits[i])), 0) / largest;
  const gradient = floats(folder, "reference", "gradient");
  const signs = floats(folder, id, "gradient").reduce(
    (count, value, i) => count + (Math.sign(value) === Math.sign(gradient[i]) ? 0 : 1),
    0,
  );
  if (signs / gradient.length > limits.signs) {
    failures.push(
      `expected at most ${100 * limits.signs} % differing gradient signs but found ${signs} of ${gradient.length}`,
    );
  }
  return { flips, share, logitDifference, signs, pixels: gradient.length, layers: perLayer, failures };
}

const file = (folder, id, layer) => readFileSync(join(folder, id, `${layer}.spikes`));

function floats(folder, id, name) {
  const bytes = readFileSync(join(folder, id, name));
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

function differingBits(a, b) {
  let count = Math.abs(a.length - b.length) * 8;
  for (let i = 0; i < Math.min(a.length, b.length); i++) count += bits[a[i] ^ b[i]];
  return count;
}

const sum = (entries, key) => entries.reduce((total, entry) => total + entry[key], 0);
