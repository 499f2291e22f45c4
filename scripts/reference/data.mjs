// Where the reference finds CIFAR.
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { cacheFolder } from "../setup/cache-folder.mjs";
import { withLock } from "../setup/lock.mjs";
import { run } from "../setup/processes.mjs";
import { root } from "../setup/project.mjs";

/**
 * $HIRE_SNN_DATA, else the cache folder's `data`, into which the folder of real data beside the checkout is unpacked.
 * @returns {Promise<{ folder: string, missing: null } | { folder: null, missing: string }>}
 */
export async function cifarFolder() {
  if (process.env.HIRE_SNN_DATA) return { folder: resolve(process.env.HIRE_SNN_DATA), missing: null };
  const shared = resolve(process.env.HIRE_SNN_SHARED ?? join(root, "..", "shared"));
  if (!existsSync(shared)) {
    const missing = `there is no ${shared}; put it there or name it by HIRE_SNN_SHARED, or name a folder with CIFAR by HIRE_SNN_DATA`;
    return { folder: null, missing };
  }
  const folder = join(cacheFolder(), "data");
  await withLock(`${folder}.lock`, "unpacking the CIFAR data", async () => {
    await run(process.execPath, [join(shared, "data", "unpack.mjs"), folder], { what: "unpacking CIFAR" });
  });
  return { folder, missing: null };
}
