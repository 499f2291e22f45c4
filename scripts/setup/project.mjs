// Where things are in the checkout. The root is found from this file: set-up works from any current folder.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const buildFolder = join(root, "build");
/** Stamps of finished steps; a step removes its stamp before it begins. */
export const stampFolder = join(buildFolder, "setup");
export const addonFile = join(buildFolder, "Release", "hire_snn.node");
/** What the addon was built against, for the tests and for whoever reports a bug. */
export const libtorchRecord = join(buildFolder, "libtorch.json");
export const libraryFolder = join(root, "lib");
export const nodeModules = join(root, "node_modules");
