import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { openCheckpoint } from "../../src/checkpoint/open-checkpoint";
import { buildNetwork } from "../../src/networks/build-network";
import { findEntry } from "../../src/networks/catalogue";
import { inspectCheckpoint } from "../../src/networks/inspect-checkpoint";
import type { Network } from "../../src/networks/network";
import { dict, int64, legacyPickles, storage, tensor, type Part } from "../checkpoint/mini-pickler";
import { temporaryFolder } from "../checkpoint/temporary-folder";
import { shapesOf } from "./state-dicts";

const folder = temporaryFolder();

function vgg11(): Network {
  const entry = findEntry("VGG11");
  if (!entry) throw new Error("The catalogue has no VGG11.");
  return buildNetwork({ ...entry, classes: 100, inputShape: [3, 32, 32], kernel: 3 });
}

/**
 * A legacy VGG11 of the published size. Weights are holes in the file, so that it takes hardly any room; every tensor's last
 * value is its number in the file, from 1.
 */
function writeLarge(name: string): string {
  const tensors = [...shapesOf(vgg11())].map(([key, shape]) => ({
    key,
    shape,
    length: shape.reduce((product, size) => product * size, 1),
  }));
  const entries = tensors.map(({ key, shape, length }): [string, Part] => [
    key,
    tensor(storage(key, length, { device: "cuda:0" }), shape),
  ]);
  const head = legacyPickles(
    dict(...entries),
    tensors.map(({ key }) => key),
  );
  const path = folder.write(name, head);
  const file = openSync(path, "r+");
  let position = head.length;
  tensors.forEach(({ length }, index) => {
    writeSync(file, int64(length), 0, 8, position);
    position += 8 + 4 * length;
    writeSync(file, new Uint8Array(Float32Array.of(index + 1).buffer), 0, 4, position - 4);
  });
  ftruncateSync(file, position);
  closeSync(file);
  return path;
}

test("a checkpoint of the published size is listed and read, each storage from its own place", () => {
  const path = writeLarge("vgg11_cifar100_hiresnn_tstep8_model.pt");
  const { size, tensors, network } = inspectCheckpoint(path);
  expect(size).toBeGreaterThan(246e6);
  expect(tensors).toHaveLength(31);
  expect(network).toMatchObject({
    name: "VGG11",
    classes: 100,
    from: "tensors",
    macsPerTimestep: 599_867_392,
    timesteps: { timesteps: 8, from: "file name" },
  });

  using checkpoint = openCheckpoint(path);
  let number = 0;
  for (const key of checkpoint.tensors.keys()) expect(checkpoint.read(key).at(-1)).toBe(++number);
});
