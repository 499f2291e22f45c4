import {
  ascii,
  bytes,
  dict,
  global,
  joined,
  pickle,
  storage,
  tensor,
  type Part,
} from "../checkpoint/mini-pickler";
import { makeZip } from "./make-zip";

export interface ScriptSource {
  /** The bodies of the module's methods, indented by two, as torch.jit.save writes them. */
  readonly methods: string;
  /** Code after the class: other classes. */
  readonly more?: string;
  /** Tensors of float32, which become attributes of the module. */
  readonly tensors?: Readonly<Record<string, { values: readonly number[]; shape: readonly number[] }>>;
  /** Further attributes: declaration and pickled value, by name. */
  readonly attributes?: Readonly<Record<string, { type: string; value: Part }>>;
  readonly training?: boolean;
  readonly extraFiles?: Readonly<Record<string, string>>;
}

/** A forward() of a few lines, each of them a statement. */
export function forward(...lines: readonly string[]): string {
  return [
    "  def forward(self: __torch__.Net,",
    "    x: Tensor) -> Tensor:",
    ...lines.map((line) => `    ${line}`),
  ].join("\n");
}

/** A TorchScript archive written by hand: what torch.jit.save makes of a module with this code. */
export function scriptArchive(source: ScriptSource): Buffer {
  const { methods, more = "", tensors = {}, attributes = {}, training = false, extraFiles = {} } = source;
  const names = Object.keys(tensors);
  const code = [
    "class Net(Module):",
    `  __parameters__ = [${names.map((name) => `"${name}", `).join("")}]`,
    "  __buffers__ = []",
    ...names.map((name) => `  ${name} : Tensor`),
    ...Object.entries(attributes).map(([name, { type }]) => `  ${name} : ${type}`),
    "  training : bool",
    methods,
    more,
  ].join("\n");
  const state = dict(
    ...Object.entries(tensors).map(([name, { values, shape }], index): [string, Part] => [
      name,
      tensor(storage(String(index), values.length), shape),
    ]),
    ...Object.entries(attributes).map(([name, { value }]): [string, Part] => [name, value]),
    ["training", bytes(training ? 0x88 : 0x89)],
  );
  const object: Part = [global("__torch__", "Net"), ascii(")"), bytes(0x81), state, ascii("b")];
  return makeZip([
    { name: "net/data.pkl", content: pickle(object), stored: true },
    { name: "net/code/__torch__.py", content: `${code}\n` },
    { name: "net/constants.pkl", content: joined(bytes(0x80, 2), ascii(").")), stored: true },
    ...Object.entries(extraFiles).map(([name, content]) => ({
      name: `net/extra/${name}`,
      content,
      stored: true,
    })),
    ...Object.values(tensors).map(({ values }, index) => ({
      name: `net/data/${index}`,
      content: Buffer.from(Float32Array.from(values).buffer),
      stored: true,
    })),
    { name: "net/version", content: "3\n", stored: true },
  ]);
}
