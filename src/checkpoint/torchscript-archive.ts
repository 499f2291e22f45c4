import { HireSnnError } from "../errors";
import { ByteReader } from "./byte-reader";
import { FileSource, type ByteSource } from "./byte-source";
import type { StoredTensor } from "./checkpoint";
import { contentsOf } from "./contents";
import { isTorchScriptArchive } from "./foreign-forms";
import { MemoryBudget } from "./memory-budget";
import { OpaqueObject } from "./pickle-values";
import { StorageTable } from "./storage-table";
import { torchGlobals } from "./torch-globals";
import { operatorCalls, methodsOfClass, touchedResources, type OperatorCalls } from "./torchscript-code";
import { unpickle } from "./unpickler";
import { locateEntry, readEntry, readZipArchive, type ZipArchive, type ZipEntry } from "./zip-archive";

/** What a TorchScript archive says of itself, read without running or compiling any of it. */
export interface TorchScriptArchive {
  readonly path: string;
  /** Bytes of the file. */
  readonly size: number;
  /** Version of the archive's format; null if it does not say. */
  readonly version: number | null;
  /** Whether it also has the form that runs on mobile devices. */
  readonly mobile: boolean;
  readonly code: { readonly files: number; readonly bytes: number };
  /** Of the outermost module, as its code has them: "forward(x: Tensor) -> Tensor". */
  readonly methods: readonly string[];
  readonly operators: readonly OperatorCalls[];
  /** What operators that reach beyond the process are called, as sentences. */
  readonly warnings: readonly string[];
  /** Weights and buffers, by path. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Contents of the archive's extra files (`_extra_files` of torch.jit.save), by name. */
  readonly extraFiles: ReadonlyMap<string, Uint8Array>;
}

const HEAD = "PK\x03\x04";
/** An extra file of more bytes is listed, not read: metadata is short. */
const LONGEST_EXTRA_FILE = 1 << 20;

/**
 * Whether a file is a TorchScript archive, by its content. A file that cannot be read is none: whoever opens it next says why.
 *
 * @throws HireSnnError IO if there is no such file
 */
export function isTorchScript(path: string): boolean {
  const source = new FileSource(path);
  try {
    if (!startsAsZip(source)) return false;
    return isTorchScriptArchive([...readZipArchive(source, new MemoryBudget(source)).entries.keys()]);
  } catch (error) {
    if (error instanceof HireSnnError) return false;
    throw error;
  } finally {
    source.close();
  }
}

/**
 * Reads what a TorchScript archive holds. Nothing in it is run.
 *
 * @throws HireSnnError CHECKPOINT_FORMAT if it is none, or of the form before PyTorch 1.1; CHECKPOINT_CORRUPT; IO
 */
export function readTorchScriptArchive(path: string): TorchScriptArchive {
  const source = new FileSource(path);
  try {
    if (!startsAsZip(source)) throw none(path);
    const budget = new MemoryBudget(source);
    const archive = readZipArchive(source, budget);
    const names = [...archive.entries.keys()];
    if (!isTorchScriptArchive(names)) throw none(path);
    const object = names.find((name) => /^[^/]+\/data\.pkl$/.test(name));
    if (object === undefined) throw tooOld(path);
    return new ArchiveReader(source, archive, object.slice(0, -"data.pkl".length), budget).read();
  } finally {
    source.close();
  }
}

function startsAsZip(source: ByteSource): boolean {
  const head = new Uint8Array(Math.min(HEAD.length, source.size));
  source.readInto(head, 0);
  return Buffer.from(head).toString("latin1") === HEAD;
}

function none(path: string): HireSnnError {
  return new HireSnnError(
    "CHECKPOINT_FORMAT",
    `${path} is no TorchScript archive: expected a file of torch.jit.save.`,
  );
}

function tooOld(path: string): HireSnnError {
  return new HireSnnError(
    "CHECKPOINT_FORMAT",
    `${path} is a TorchScript archive in the form of PyTorch 1.0 (model.json), which libtorch no longer reads. Load it with ` +
      "PyTorch 1.1 to 1.4 and save it again with torch.jit.save.",
  );
}

class ArchiveReader {
  private readonly warnings: string[] = [];

  constructor(
    private readonly source: ByteSource,
    private readonly archive: ZipArchive,
    /** "NAME/" */
    private readonly folder: string,
    private readonly budget: MemoryBudget,
  ) {}

  read(): TorchScriptArchive {
    const code = this.code();
    const text = [...code.values()].join("\n");
    const operators = operatorCalls(text);
    const { typeName, tensors } = this.object();
    return {
      path: this.source.name,
      size: this.source.size,
      version: this.version(),
      mobile: this.entry("bytecode.pkl") !== undefined,
      code: {
        files: code.size,
        bytes: [...code.values()].reduce((sum, file) => sum + Buffer.byteLength(file), 0),
      },
      methods: methodsOfClass(code, typeName),
      operators,
      warnings: [...touchedResources(operators), ...this.warnings],
      tensors,
      extraFiles: this.extraFiles(),
    };
  }

  private entry(name: string): ZipEntry | undefined {
    return this.archive.entries.get(this.folder + name);
  }

  private text(entry: ZipEntry): string {
    return Buffer.from(readEntry(this.source, entry, this.budget)).toString("utf8");
  }

  private version(): number | null {
    const entry = this.entry("version") ?? this.entry(".data/version");
    const version = entry && entry.size < 32 ? Number(this.text(entry).trim()) : NaN;
    return Number.isInteger(version) ? version : null;
  }

  /** By path below code/. */
  private code(): Map<string, string> {
    const prefix = `${this.folder}code/`;
    const files = [...this.archive.entries.values()].filter(
      ({ name }) => name.startsWith(prefix) && name.endsWith(".py"),
    );
    return new Map(files.map((entry) => [entry.name.slice(prefix.length), this.text(entry)]));
  }

  /** The class of the outermost module, and its tensors. */
  private object(): { typeName: string; tensors: ReadonlyMap<string, StoredTensor> } {
    const entry = this.entry("data.pkl") as ZipEntry;
    const start = locateEntry(this.source, entry);
    const table = new StorageTable(this.source.name);
    const { value } = unpickle(new ByteReader(this.source, start, start + entry.size), {
      globals: torchGlobals(this.source.name),
      budget: this.budget,
      persistentLoad: (id, position) => table.load(id, position),
    });
    const contents = contentsOf(this.source.name, value, this.budget);
    return {
      typeName: value instanceof OpaqueObject ? value.typeName : "",
      tensors: new Map(
        [...contents.tensors].map(([path, { dtype, shape, device }]) => [path, { dtype, shape, device }]),
      ),
    };
  }

  private extraFiles(): Map<string, Uint8Array> {
    const prefix = `${this.folder}extra/`;
    const files = new Map<string, Uint8Array>();
    for (const entry of this.archive.entries.values()) {
      if (!entry.name.startsWith(prefix)) continue;
      const name = entry.name.slice(prefix.length);
      if (entry.size > LONGEST_EXTRA_FILE) {
        this.warnings.push(`The extra file ${JSON.stringify(name)} of ${entry.size} bytes was not read.`);
      } else {
        files.set(name, readEntry(this.source, entry, this.budget));
      }
    }
    return files;
  }
}
