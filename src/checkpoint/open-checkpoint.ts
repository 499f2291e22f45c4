import { HireSnnError } from "../errors";
import { ByteReader } from "./byte-reader";
import { FileSource, type ByteSource } from "./byte-source";
import type {
  Checkpoint,
  CheckpointFormat,
  ExtraValue,
  StateDict,
  StoredTensor,
  StoredValues,
} from "./checkpoint";
import type { CheckpointForm } from "./checkpoint-form";
import { contentsOf, type Contents } from "./contents";
import { foreignFile } from "./foreign-forms";
import { LEGACY_MAGIC, readLegacyForm } from "./legacy-form";
import { MemoryBudget } from "./memory-budget";
import { NumpyArray } from "./numpy-globals";
import { PickleDict, type PickleValue } from "./pickle-values";
import { readSafetensorsForm, startsAsSafetensors } from "./safetensors-form";
import { findStateDict } from "./state-dict";
import { StorageTable } from "./storage-table";
import type { FileTensor } from "./stored-tensor";
import { readTensor, toFloat32 } from "./tensor-values";
import { torchGlobals } from "./torch-globals";
import { unpickle } from "./unpickler";
import { readZipForm } from "./zip-form";

const HEAD_SIZE = 512;

/**
 * Opens a checkpoint of torch.save, legacy or zip, or a safetensors file. Only its pickles, header and table of contents are
 * read: values stay in the file until {@link Checkpoint.read}. Nothing in the file is run.
 *
 * @throws HireSnnError IO if the file cannot be read; CHECKPOINT_FORMAT if it is no checkpoint, naming what it is where
 *   that is recognisable; CHECKPOINT_CORRUPT with the offset; CHECKPOINT_UNSAFE if it names code that must not run
 */
export function openCheckpoint(path: string): Checkpoint {
  return openSource(new FileSource(path));
}

/** As {@link openCheckpoint}, of any source of bytes, which is closed with the checkpoint or if it is refused. */
export function openSource(source: ByteSource): CheckpointWithObject {
  try {
    const budget = new MemoryBudget(source);
    const form = readForm(source, budget);
    return new OpenCheckpoint(source, form, contentsOf(source.name, form.value, budget), budget);
  } catch (error) {
    source.close();
    throw error;
  }
}

/** What this folder itself knows of a checkpoint besides. */
export interface CheckpointWithObject extends Checkpoint {
  /** What was saved, as it nests in the file. */
  readonly object: PickleValue;
  /** @throws as {@link Checkpoint.read} for a path that names no tensor */
  stored(path: string): FileTensor;
  /** As {@link Checkpoint.read}, into an array of the caller's own. */
  readTensor(tensor: FileTensor): StoredValues;
}

function readForm(source: ByteSource, budget: MemoryBudget): CheckpointForm {
  const head = new Uint8Array(Math.min(HEAD_SIZE, source.size));
  source.readInto(head, 0);
  const text = Buffer.from(head).toString("latin1");
  if (text.startsWith("PK\x03\x04") || text.startsWith("PK\x05\x06")) return readZipForm(source, budget);
  if (startsAsSafetensors(head)) return readSafetensorsForm(source, budget);
  const foreign = foreignFile(head);
  if (foreign !== undefined) throw new HireSnnError("CHECKPOINT_FORMAT", `${source.name} is ${foreign}`);

  const reader = new ByteReader(source);
  if (startsAsLegacy(head)) {
    if (unpickle(reader, { globals: new Map(), budget }).value === LEGACY_MAGIC)
      return readLegacyForm(source, reader, budget);
  }
  throw namedPickle(source);
}

/**
 * PROTO, from protocol 4 on a FRAME of eight bytes, LONG1 of ten bytes; the number itself is compared when it is read. A head
 * cut off there counts. PyTorch writes protocol 2 unless asked for another.
 */
function startsAsLegacy(head: Uint8Array): boolean {
  const any = undefined;
  const plain = [0x80, any, 0x8a, 0x0a];
  const framed = [0x80, any, 0x95, any, any, any, any, any, any, any, any, 0x8a, 0x0a];
  return [plain, framed].some((pattern) =>
    pattern.every((byte, index) => index >= head.length || byte === any || head[index] === byte),
  );
}

/** What a file that is no checkpoint but may be a pickle is; an unsafe pickle gives its own error. */
function namedPickle(source: ByteSource): HireSnnError {
  const none = new HireSnnError(
    "CHECKPOINT_FORMAT",
    `${source.name} is no checkpoint: expected a file of PyTorch's torch.save, in the legacy or the zip form, or a safetensors file.`,
  );
  try {
    const table = new StorageTable(source.name);
    const { value } = unpickle(new ByteReader(source), {
      globals: torchGlobals(source.name),
      persistentLoad: (id, position) => table.load(id, position),
    });
    const what = holdsNumpy(value)
      ? "a pickle of numpy arrays (of pickle.dump)"
      : "a plain pickle (of pickle.dump)";
    return new HireSnnError(
      "CHECKPOINT_FORMAT",
      `${source.name} is ${what}, no checkpoint: expected a file of PyTorch's torch.save. Save the state dict with it.`,
    );
  } catch (error) {
    if (!(error instanceof HireSnnError) || error.code !== "CHECKPOINT_UNSAFE") return none;
    return new HireSnnError(
      "CHECKPOINT_UNSAFE",
      `${error.message} (The file is a plain pickle, not one of torch.save.)`,
      { cause: error },
    );
  }
}

/** Itself, or one level down. */
function holdsNumpy(value: PickleValue): boolean {
  if (value instanceof NumpyArray) return true;
  if (Array.isArray(value)) return value.some((item) => item instanceof NumpyArray);
  return value instanceof PickleDict && [...value.entries()].some(([, item]) => item instanceof NumpyArray);
}

class OpenCheckpoint implements CheckpointWithObject {
  readonly path: string;
  readonly size: number;
  readonly format: CheckpointFormat;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly extras: ReadonlyMap<string, ExtraValue>;
  readonly stateDict: StateDict;
  readonly opaqueGlobals: readonly string[];
  readonly warnings: readonly string[];
  readonly object: PickleValue;
  private readonly files: ReadonlyMap<string, FileTensor>;
  private readonly unreadable: Contents["unreadable"];
  /**
   * Of the tensors that are there several times (tied weights), the arrays in use. Of no others: what a WeakRef points to stays
   * in memory until the running job ends, however many tensors a loop reads.
   */
  private readonly tied = new Map<string, WeakRef<StoredValues> | undefined>();

  constructor(
    private readonly source: ByteSource,
    form: CheckpointForm,
    contents: Contents,
    private readonly budget: MemoryBudget,
  ) {
    this.object = form.value;
    this.path = source.name;
    this.size = source.size;
    this.format = form.format;
    this.files = contents.tensors;
    this.unreadable = contents.unreadable;
    this.tensors = new Map(
      [...contents.tensors].map(([path, { dtype, shape, device }]) => [path, { dtype, shape, device }]),
    );
    const places = new Set<string>();
    for (const { place } of contents.tensors.values()) {
      if (places.has(place)) this.tied.set(place, undefined);
      places.add(place);
    }
    this.extras = contents.extras;
    this.stateDict = findStateDict(this.tensors, contents.unreadable.keys());
    this.opaqueGlobals = form.opaqueGlobals;
    this.warnings = [...form.warnings, ...contents.warnings, ...opaqueWarning(form.opaqueGlobals)];
  }

  read(path: string): StoredValues {
    const tensor = this.stored(path);
    if (!this.tied.has(tensor.place)) return this.readTensor(tensor);
    const known = this.tied.get(tensor.place)?.deref();
    if (known) return known;
    const values = this.readTensor(tensor);
    this.tied.set(tensor.place, new WeakRef(values));
    return values;
  }

  readTensor(tensor: FileTensor): StoredValues {
    return readTensor(this.source, tensor, this.budget.leftForValues);
  }

  readFloat32(path: string): Float32Array {
    const { dtype } = this.stored(path);
    return toFloat32(this.read(path), dtype, JSON.stringify(path));
  }

  close(): void {
    this.source.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  stored(path: string): FileTensor {
    const tensor = this.files.get(path);
    if (tensor) return tensor;
    const unreadable = this.unreadable.get(path);
    if (unreadable) {
      throw new HireSnnError(
        "CHECKPOINT_FORMAT",
        `${this.path}: ${JSON.stringify(path)} is ${unreadable.what}, whose values are not read. Convert it with PyTorch.`,
      );
    }
    throw new HireSnnError(
      "INVALID_ARGUMENT",
      `Expected the path of a tensor in ${this.path}, found ${JSON.stringify(path)}.`,
    );
  }
}

function opaqueWarning(names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const shown = names.slice(0, 20).join(", ");
  const more = names.length > 20 ? ` and ${names.length - 20} more` : "";
  return [`Objects of classes outside the allow-list were left unread: ${shown}${more}.`];
}
