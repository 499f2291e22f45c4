import { HireSnnError } from "../errors";
import { dtypes, storageTypes, UNTYPED, type ElementType } from "./dtypes";
import { numpyGlobals } from "./numpy-globals";
import {
  PickleDict,
  PickleGlobal,
  PickleSet,
  costOfKey,
  type GlobalBuilder,
  type PickleValue,
} from "./pickle-values";
import { FileTensor, StorageView, UnreadableTensor } from "./stored-tensor";

/** More dimensions than torch itself prints; a hostile file gains nothing by naming more. */
const MOST_DIMENSIONS = 64;
const LONGEST_DEVICE = 64;
const COST_OF_TENSOR = 320;
const COST_OF_DICT = 256;
const COST_OF_ENTRY = 150;

/**
 * The allow-list of a checkpoint: what torch.save writes for tensors and state dicts, plain containers, numpy's values.
 *
 * @param name of the file, for messages
 */
export function torchGlobals(name: string): Map<string, GlobalBuilder | "name"> {
  const tensors = new TensorBuilder(name);
  const v2: GlobalBuilder = (args, at, charge) => tensors.rebuild(args, at, charge, undefined, args[6]);
  const first: GlobalBuilder = (args, at) => args[0] ?? tensors.refuse(at, "a tensor to wrap");
  const unreadable =
    (what: string): GlobalBuilder =>
    () =>
      new UnreadableTensor(what, undefined);
  const orderedDict: GlobalBuilder = ([items], at, charge) =>
    tensors.dict(items, at, charge, "collections.OrderedDict");

  const globals = new Map<string, GlobalBuilder | "name">([
    ...numpyGlobals(name),
    ["torch._utils._rebuild_tensor", v2],
    ["torch._utils._rebuild_tensor_v2", v2],
    [
      "torch._utils._rebuild_tensor_v3",
      (args, at, charge) => tensors.rebuild(args, at, charge, args[6], args[7]),
    ],
    ["torch._utils._rebuild_parameter", first],
    ["torch._utils._rebuild_parameter_with_state", first],
    ["torch._tensor._rebuild_from_type_v2", (args, at, charge) => tensors.rebuildFromType(args, at, charge)],
    ["torch._utils._rebuild_sparse_tensor", unreadable("a sparse tensor")],
    ["torch._utils._rebuild_sparse_csr_tensor", unreadable("a sparse tensor")],
    ["torch._utils._rebuild_nested_tensor", unreadable("a nested tensor")],
    ["torch._utils._rebuild_qtensor", unreadable("a quantised tensor")],
    [
      "torch._utils._rebuild_meta_tensor_no_storage",
      unreadable("a tensor on the meta device, without values"),
    ],
    ["torch._utils._rebuild_device_tensor_from_numpy", unreadable("a tensor of a foreign device")],
    ["torch.Tensor", "name"],
    ["torch.nn.parameter.Parameter", "name"],
    ["torch.nn.parameter.Buffer", "name"],
    ["torch.serialization._get_layout", ([layout]) => layout ?? null],
    ["torch.Size", ([sizes]) => (Array.isArray(sizes) ? sizes : [])],
    ["torch.device", ([type, index], at) => tensors.device(type, index, at)],
    ["collections.OrderedDict", orderedDict],
    ["collections.defaultdict", ([, items], at, charge) => tensors.dict(items, at, charge, "dict")],
    ["collections.Counter", ([items], at, charge) => tensors.dict(items, at, charge, "dict")],
  ]);
  for (const type of [...storageTypes.keys(), ...dtypes.keys()]) globals.set(type, "name");
  for (const module of ["builtins", "__builtin__"]) {
    const set: GlobalBuilder = ([items]) => new PickleSet(Array.isArray(items) ? items : []);
    globals.set(`${module}.set`, set).set(`${module}.frozenset`, set);
    for (const type of ["int", "float", "bool", "str", "bytes", "object"])
      globals.set(`${module}.${type}`, "name");
    for (const type of ["list", "tuple"])
      globals.set(`${module}.${type}`, ([items]) => (Array.isArray(items) ? items : []));
    globals.set(`${module}.dict`, ([items], at, charge) => tensors.dict(items, at, charge, "dict"));
  }
  return globals;
}

class TensorBuilder {
  constructor(private readonly name: string) {}

  refuse(position: number, expected: string): never {
    throw new HireSnnError(
      "CHECKPOINT_CORRUPT",
      `${this.name} is corrupt: at byte ${position}, expected ${expected}.`,
    );
  }

  /** @param args storage, offset, size, stride, ... */
  rebuild(
    args: readonly PickleValue[],
    at: number,
    charge: (bytes: number) => void,
    dtype: PickleValue | undefined,
    metadata: PickleValue | undefined,
  ): PickleValue {
    const [view, offset, size, stride] = args;
    if (!(view instanceof StorageView)) this.refuse(at, "the storage of a tensor");
    charge(COST_OF_TENSOR + (Array.isArray(size) ? 16 * size.length : 0));
    const shape = this.sizes(size, at, "the sizes of a tensor");
    const strides = this.sizes(stride, at, "the strides of a tensor");
    if (strides.length !== shape.length) {
      this.refuse(at, `as many strides as dimensions (${shape.length}), found ${strides.length}`);
    }
    const start = this.count(offset, at, "the offset of a tensor");

    const type = this.elementType(view, dtype, at);
    const length = shape.reduce((product, count) => product * count, 1);
    if (!Number.isSafeInteger(length))
      this.refuse(at, `a tensor that can be, found the shape [${shape.join(", ")}]`);
    const span =
      length === 0
        ? 0
        : 1 + shape.reduce((reach, count, axis) => reach + (count - 1) * (strides[axis] as number), 0);
    // In bytes, since an untyped storage counts them.
    const needed = (start + span) * type.size;
    const available = view.length * view.storage.type.size;
    if (length > 0 && !(needed <= available)) {
      this.refuse(
        at,
        `a tensor within its storage of ${available} bytes, found shape [${shape.join(", ")}], strides ` +
          `[${strides.join(", ")}], offset ${start}, which reach to byte ${needed}`,
      );
    }
    if (type.dtype === undefined) return new UnreadableTensor(`a tensor of ${type.name}`, shape);
    if (metadata instanceof PickleDict && (metadata.get("neg") === true || metadata.get("conj") === true)) {
      return new UnreadableTensor(`a tensor of ${type.name} stored as a negative or conjugate view`, shape);
    }
    const byteOffset = view.offset * view.storage.type.size + start * type.size;
    return new FileTensor(
      view.storage,
      { ...type, dtype: type.dtype },
      byteOffset,
      shape,
      strides,
      length,
      span,
    );
  }

  /** A subclass of Tensor, or a tensor with attributes: (function, type, arguments, state). */
  rebuildFromType(
    [rebuild, type, args]: readonly PickleValue[],
    at: number,
    charge: (bytes: number) => void,
  ): PickleValue {
    if (!(rebuild instanceof PickleGlobal) || !(type instanceof PickleGlobal) || !Array.isArray(args)) {
      this.refuse(at, "the function, class and arguments of a tensor");
    }
    if (rebuild.builder && /^torch\._utils\._rebuild_/.test(rebuild.typeName))
      return rebuild.builder(args, at, charge);
    charge(COST_OF_TENSOR);
    return new UnreadableTensor(`a tensor made by ${rebuild.typeName}`, undefined);
  }

  device(type: PickleValue | undefined, index: PickleValue | undefined, at: number): string {
    if (typeof type !== "string" || type.length > LONGEST_DEVICE) this.refuse(at, "the name of a device");
    return typeof index === "number" ? `${type}:${index}` : type;
  }

  /** A dict from the pairs that Python 2 and protocol 0 pass to its class, or an empty one. */
  dict(
    items: PickleValue | undefined,
    at: number,
    charge: (bytes: number) => void,
    type: PickleDict["typeName"],
  ): PickleDict {
    const dict = new PickleDict(type);
    if (items === undefined) return dict;
    if (!(items instanceof PickleDict) && !Array.isArray(items)) this.refuse(at, "the items of a dict");
    charge(COST_OF_DICT);
    for (const pair of items instanceof PickleDict ? items.entries() : items) {
      if (!Array.isArray(pair) || pair.length !== 2) this.refuse(at, "pairs of key and value");
      const [key, value] = pair as [PickleValue, PickleValue];
      charge(COST_OF_ENTRY + costOfKey(key));
      dict.set(key, value);
    }
    return dict;
  }

  private elementType(view: StorageView, dtype: PickleValue | undefined, at: number): ElementType {
    if (dtype === undefined) return view.storage.type;
    const type = dtype instanceof PickleGlobal ? dtypes.get(dtype.typeName) : undefined;
    if (!type) {
      const found = dtype instanceof PickleGlobal ? dtype.typeName : "something else";
      throw new HireSnnError(
        "CHECKPOINT_FORMAT",
        `${this.name}: the tensor at byte ${at} has an element type that is not known here: ${found}.`,
      );
    }
    if (view.storage.type !== UNTYPED && view.storage.type.size !== type.size) {
      this.refuse(at, `a tensor of the storage's ${view.storage.type.name}, found ${type.name}`);
    }
    return type;
  }

  private sizes(value: PickleValue | undefined, at: number, what: string): number[] {
    if (!Array.isArray(value) || value.length > MOST_DIMENSIONS) this.refuse(at, what);
    return value.map((size) => this.count(size, at, what));
  }

  private count(value: PickleValue | undefined, at: number, what: string): number {
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) this.refuse(at, what);
    return value;
  }
}
