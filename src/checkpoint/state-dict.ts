import type { StateDict, StateDictTensor, StoredTensor } from "./checkpoint";

/** Keys under which training scripts keep the weights beside other things, in the order in which they are tried. */
const WRAPPERS = [
  "state_dict",
  "model_state_dict",
  "model_state",
  "model",
  "net",
  "network",
  "snn",
  "weights",
];
/** Levels of wrapping that are looked through. */
const MOST_WRAPPERS = 4;
const MODULE_PREFIX = "module.";

/**
 * Finds the weights of the network in a checkpoint: the tensors under a usual key (also one within another), else all.
 *
 * @param tensors readable tensors by path
 * @param others paths of the tensors that cannot be read
 */
export function findStateDict(
  tensors: ReadonlyMap<string, StoredTensor>,
  others: Iterable<string>,
): StateDict {
  let path = "";
  for (let level = 0; level < MOST_WRAPPERS; level++) {
    const inner = wrapperWithin(tensors, path);
    if (inner === undefined) break;
    path = inner;
  }
  const prefix = path === "" ? "" : `${path}.`;
  const keysWithin = (paths: Iterable<string>): string[] =>
    [...paths]
      .filter((candidate) => candidate.startsWith(prefix))
      .map((candidate) => candidate.slice(prefix.length));
  const keys = keysWithin(tensors.keys());
  const otherKeys = keysWithin(others);

  // DataParallel puts the prefix on every key: on some of them only, it is part of a name.
  const modulePrefix =
    keys.length > 0 && [...keys, ...otherKeys].every((key) => key.startsWith(MODULE_PREFIX));
  const shortened = (key: string): string => (modulePrefix ? key.slice(MODULE_PREFIX.length) : key);
  const found = new Map<string, StateDictTensor>();
  for (const key of keys) {
    const tensor = tensors.get(prefix + key);
    if (tensor) found.set(shortened(key), { ...tensor, path: prefix + key });
  }
  return { path, modulePrefix, tensors: found, others: otherKeys.map(shortened) };
}

function wrapperWithin(tensors: ReadonlyMap<string, StoredTensor>, path: string): string | undefined {
  const prefix = path === "" ? "" : `${path}.`;
  const paths = [...tensors.keys()];
  return WRAPPERS.map((wrapper) => prefix + wrapper).find((wrapper) =>
    paths.some((key) => key.startsWith(`${wrapper}.`)),
  );
}
