/**
 * Globals that no honest data file names: they run commands, import code or reach it. A file that names one is refused as
 * a whole; every other unknown global only makes opaque objects.
 */
const UNSAFE_MODULES = new Set([
  ..."os posix nt subprocess sys runpy shutil importlib imp pty socket ctypes marshal code codeop".split(" "),
  ..."commands popen2 webbrowser pdb timeit".split(" "),
  "torch.hub",
]);

const UNSAFE_NAMES = new Set([
  ...[
    "eval",
    "exec",
    "execfile",
    "compile",
    "getattr",
    "setattr",
    "delattr",
    "__import__",
    "open",
    "input",
  ].flatMap((name) => [`builtins.${name}`, `__builtin__.${name}`]),
  ...["globals", "locals", "vars", "breakpoint", "apply"].flatMap((name) => [
    `builtins.${name}`,
    `__builtin__.${name}`,
  ]),
  ...["pickle", "_pickle", "cPickle"].flatMap((module) => [`${module}.load`, `${module}.loads`]),
  "operator.attrgetter",
  "operator.methodcaller",
  "_operator.attrgetter",
  "_operator.methodcaller",
  "torch.load",
  "torch.serialization.load",
  "torch.storage._load_from_bytes",
]);

/**
 * @param module as the pickle names it: "torch.storage"
 * @param name within the module; it may be dotted ("Class.method"), which Python resolves attribute by attribute
 * @returns the unsafe module or name that it reaches, or undefined
 */
export function unsafePartOf(module: string, name: string): string | undefined {
  const parts = `${module}.${name}`.split(".");
  const modules = module.split(".").length;
  for (let count = 1; count <= parts.length; count++) {
    const prefix = parts.slice(0, count).join(".");
    // "os" as the last part of the name alone ("mypackage.os") is a name like another; as a step on the way it is a module.
    if (UNSAFE_NAMES.has(prefix) || (count < parts.length && UNSAFE_MODULES.has(prefix))) return prefix;
  }
  // A dotted name walks through attributes, and so through what the module itself has imported.
  const steps = parts.slice(modules);
  if (steps.length < 2) return undefined;
  return steps.find((step) => UNSAFE_MODULES.has(step) || /^__\w+__$/.test(step));
}
