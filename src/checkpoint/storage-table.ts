import { HireSnnError } from "../errors";
import { storageTypes } from "./dtypes";
import { PickleGlobal, type PickleValue } from "./pickle-values";
import { Storage, StorageView } from "./stored-tensor";
import { describe, quote } from "./unpickler";

/** The storages that the persistent ids of a checkpoint name, each once however many tensors share it. */
export class StorageTable {
  readonly storages = new Map<string, Storage>();

  constructor(private readonly name: string) {}

  /**
   * The object of a persistent id: `("storage", class, key, device, length)`, in the legacy form with a sixth item that is
   * None or `(view key, offset, length)`.
   */
  load(id: PickleValue, position: number): StorageView {
    const [kind, type, key, device, length, view] = Array.isArray(id) ? id : [id];
    if (kind === "module") {
      throw new HireSnnError(
        "CHECKPOINT_UNSAFE",
        `${this.name} is refused: at byte ${position} it holds a pickled module with its source code instead of plain ` +
          "tensors. Nothing was run. Get the weights as a state dict from whoever made the file.",
      );
    }
    if (kind !== "storage")
      this.refuse(position, `the persistent id of a storage, found ${describe(kind ?? null)}`);
    if (!(type instanceof PickleGlobal)) this.refuse(position, "the class of a storage");
    if (typeof key !== "string" && typeof key !== "number") this.refuse(position, "the key of a storage");
    const elements = this.count(length, position);
    const storage = this.storage(
      type.typeName,
      String(key),
      typeof device === "string" ? device : "unknown",
      elements,
      position,
    );
    if (view === undefined || view === null) return new StorageView(storage, 0, storage.length);

    if (!Array.isArray(view) || view.length !== 3)
      this.refuse(position, "the key, offset and length of a view");
    const offset = this.count(view[1], position);
    const viewed = this.count(view[2], position);
    if (offset + viewed > storage.length) {
      this.refuse(
        position,
        `a view within ${storage.length} elements, found ${viewed} elements from ${offset} on`,
      );
    }
    return new StorageView(storage, offset, viewed);
  }

  private storage(typeName: string, key: string, device: string, length: number, position: number): Storage {
    const type = storageTypes.get(typeName);
    if (!type) {
      throw new HireSnnError(
        "CHECKPOINT_FORMAT",
        `${this.name}: storage ${quote(key)} at byte ${position} is of a class that is not known here: ${quote(typeName)}.`,
      );
    }
    const known = this.storages.get(key);
    if (!known) {
      const storage = new Storage(key, type, length, device);
      this.storages.set(key, storage);
      return storage;
    }
    if (known.type !== type || known.length !== length) {
      this.refuse(
        position,
        `storage ${quote(key)} of ${known.length} elements of ${known.type.name} as before, ` +
          `found ${length} of ${type.name}`,
      );
    }
    return known;
  }

  private count(value: PickleValue | undefined, position: number): number {
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
      this.refuse(position, `a count of elements, found ${describe(value ?? null)}`);
    }
    return value;
  }

  private refuse(position: number, expected: string): never {
    throw new HireSnnError(
      "CHECKPOINT_CORRUPT",
      `${this.name} is corrupt: at byte ${position}, expected ${expected}.`,
    );
  }
}
