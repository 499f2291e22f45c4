/** How often a script's code calls an operator: "aten::conv2d". */
export interface OperatorCalls {
  readonly name: string;
  readonly calls: number;
}

/** Operators of libtorch, and of its usual companions, that reach beyond the process; whole namespaces end in "::". */
const reaching: readonly (readonly [pattern: string, what: string])[] = [
  ["aten::from_file", "maps a file into memory"],
  ["aten::save", "writes a file"],
  ["image::read_file", "reads a file"],
  ["image::write_file", "writes a file"],
  ["video::", "reads files"],
  ["torchaudio::", "may read and write files"],
  ["prim::rpc_", "calls other machines"],
  ["aten::to_here", "fetches values from other machines"],
  ["c10d::", "talks to other processes over the network"],
  ["_c10d_functional::", "talks to other processes over the network"],
  ["_c10d_functional_autograd::", "talks to other processes over the network"],
  ["symm_mem::", "talks to other processes"],
];

/** Functions of the language that are printed without a namespace. */
const bareFunctions = "print|fork|rpc_sync|rpc_async|rpc_remote";

/**
 * The operators that a script's code calls, most frequent first. It is the serialised form, in which every call of an operator
 * is written with its namespace; text within string constants may be counted, too.
 */
export function operatorCalls(code: string): OperatorCalls[] {
  const counts = new Map<string, number>();
  const count = (name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const [, name] of code.matchAll(/(?<![\w.])torch\.([a-z_][\w.]*)\(/gi)) {
    if (name !== "device") count(`aten::${name}`);
  }
  for (const [, namespace, name] of code.matchAll(/(?<![\w.])ops\.(\w+)\.(\w+)\(/g))
    count(`${namespace}::${name}`);
  for (const [, name] of code.matchAll(new RegExp(`(?<![\\w.])(${bareFunctions})\\(`, "g")))
    count(`prim::${name}`);
  return [...counts]
    .map(([name, calls]) => ({ name, calls }))
    .sort((a, b) => b.calls - a.calls || (a.name < b.name ? -1 : 1));
}

/** A sentence for each operator that touches files or the network. */
export function touchedResources(operators: readonly OperatorCalls[]): string[] {
  return operators.flatMap(({ name }) => {
    const found = reaching.find(([pattern]) =>
      pattern.endsWith(":") || pattern.endsWith("_") ? name.startsWith(pattern) : name === pattern,
    );
    return found ? [`Its code calls ${name}, which ${found[1]}.`] : [];
  });
}

/**
 * The methods of a class, as its code declares them, without self.
 *
 * @param code by path: "__torch__/net.py"
 * @param typeName "__torch__.net.Net"
 */
export function methodsOfClass(code: ReadonlyMap<string, string>, typeName: string): string[] {
  const dot = typeName.lastIndexOf(".");
  const file = code.get(`${typeName.slice(0, dot).replaceAll(".", "/")}.py`) ?? "";
  const name = typeName.slice(dot + 1);
  const lines = file.split("\n");
  const begin = lines.findIndex((line) => line.startsWith(`class ${name}(`) || line === `class ${name}:`);
  if (begin < 0) return [];
  const length = lines.slice(begin + 1).findIndex((line) => /^\S/.test(line));
  const body = lines.slice(begin + 1, length < 0 ? undefined : begin + 1 + length).join("\n");
  return [...body.matchAll(/^ {2}def (\w+)\(self[^,)]*,?([^]*?)\) -> ([^\n]*):$/gm)].map(
    ([, method, parameters = "", result]) =>
      `${method}(${parameters.trim().replaceAll(/\s+/g, " ")}) -> ${result}`,
  );
}
