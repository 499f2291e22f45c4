import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { describeUnless } from "./skip";

/**
 * The folder of real data and golden values that lies beside the checkout, outside of it because of its size and its
 * licences. HIRE_SNN_SHARED names another one.
 */
export const sharedFolder = resolve(
  process.env["HIRE_SNN_SHARED"] ?? join(__dirname, "..", "..", "..", "shared"),
);

const reason = existsSync(sharedFolder)
  ? null
  : `there is no ${sharedFolder}; put it there or name it by HIRE_SNN_SHARED`;

/**
 * describe for tests that need the shared folder. Without it they are counted as skipped, or fail under CI=true.
 *
 * @param body is given the folder, which it may read in tests and hooks only
 */
export function describeWithShared(name: string, body: (shared: string) => void): void {
  describeUnless(reason, name, () => {
    body(sharedFolder);
  });
}

/**
 * The folder of the unpacked CIFAR data sets (cifar-10-batches-bin, cifar-100-binary and their python-pickle twins), in the
 * user's cache folder. The first call on a machine unpacks them, which takes seconds; meant for beforeAll.
 */
export function unpackedData(): Promise<string> {
  unpacking ??= unpack();
  return unpacking;
}

let unpacking: Promise<string> | undefined;

async function unpack(): Promise<string> {
  const { cacheFolder } = await import("../../scripts/setup/cache-folder.mjs");
  const { withLock } = await import("../../scripts/setup/lock.mjs");
  const folder = join(cacheFolder(), "data");
  // Test files run side by side, and clones share the folder.
  await withLock(`${folder}.lock`, "unpacking the CIFAR data", async () => {
    await promisify(execFile)(process.execPath, [join(sharedFolder, "data", "unpack.mjs"), folder]);
  });
  return folder;
}
