import { mkdir, open, rm, stat, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { Dataset } from "../datasets/dataset";
import { writeNpz } from "../datasets/write-npz";
import { HireSnnError } from "../errors";
import { readAt, syncFolder, writeAt } from "./durable-file";
import type { ResultKey } from "./results";
import type { SampleRange } from "./shard";

const folderName = "adversarial";
/** Images that are read at once when the archives are made. */
const imagesAtOnce = 64;

/**
 * The adversarial images of a run, one archive for each attack and access: `adversarial/ATTACK-ACCESS.npz` with `images` (float32, as
 * they were classified), `labels` and `indices` (of the samples in the data set). While the run goes on they lie, batch by batch at
 * their place, in a file of plain numbers beside it.
 */
export class AdversarialStore {
  private constructor(
    private readonly folder: string,
    private readonly files: ReadonlyMap<string, { readonly name: string; readonly handle: FileHandle }>,
    private readonly dataset: Dataset,
    private readonly range: SampleRange,
  ) {}

  /**
   * @param runFolder where the archives' folder is made
   * @param samplesBefore samples of the range whose images are there already
   * @throws HireSnnError RUN_MISMATCH if their images are not there; IO
   */
  static async open(
    runFolder: string,
    keys: readonly ResultKey[],
    dataset: Dataset,
    { range, samplesBefore }: { range: SampleRange; samplesBefore: number },
  ): Promise<AdversarialStore> {
    const folder = join(runFolder, folderName);
    await mkdir(folder, { recursive: true });
    const bytes = samplesBefore * imageBytes(dataset);
    const files = new Map<string, { name: string; handle: FileHandle }>();
    for (const { attack, access } of keys) {
      if (access === "none") continue;
      const name = imageFileName(
        attack,
        access,
        [...files.values()].map(({ name: other }) => other),
      );
      const path = join(folder, `${name}.f32`);
      const handle = await open(path, samplesBefore === 0 ? "w+" : "r+").catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") throw missing(path, samplesBefore);
        throw error;
      });
      files.set(`${access} ${attack}`, { name, handle });
      if ((await handle.stat()).size < bytes) throw missing(path, samplesBefore);
    }
    await syncFolder(folder);
    return new AdversarialStore(folder, files, dataset, range);
  }

  /** Keeps the images of a batch. They are on the disk after {@link sync}. */
  async put(attack: string, access: string, images: Float32Array, firstSample: number): Promise<void> {
    const file = this.files.get(`${access} ${attack}`);
    const bytes = Buffer.from(images.buffer, images.byteOffset, images.byteLength);
    if (file) await writeAt(file.handle, bytes, (firstSample - this.range.begin) * imageBytes(this.dataset));
  }

  async sync(): Promise<void> {
    for (const { handle } of this.files.values()) await handle.datasync();
  }

  /**
   * Makes the archives of what was put, and removes the files of plain numbers.
   *
   * @param labels of the range's samples
   */
  async finish(labels: Int32Array): Promise<void> {
    for (const { name, handle } of this.files.values()) {
      const { imageShape, classes, mean, std } = this.dataset;
      const length = this.range.end - this.range.begin;
      await writeNpz(
        join(this.folder, `${name}.npz`),
        { length, imageShape, classes, mean, std, firstIndex: this.range.begin },
        this.batches(handle, labels),
      );
    }
    await this.close();
    for (const { name } of this.files.values()) await rm(join(this.folder, `${name}.f32`), { force: true });
  }

  async close(): Promise<void> {
    for (const { handle } of this.files.values()) await handle.close();
  }

  private async *batches(
    handle: FileHandle,
    labels: Int32Array,
  ): AsyncGenerator<{ images: Float32Array; labels: Int32Array }> {
    const stride = imageBytes(this.dataset);
    for (let begin = 0; begin < labels.length; begin += imagesAtOnce) {
      const some = labels.subarray(begin, begin + imagesAtOnce);
      const bytes = await readAt(handle, begin * stride, some.length * stride);
      // A copy, because a view has to begin at a multiple of four.
      yield { images: new Float32Array(Uint8Array.from(bytes).buffer), labels: some };
    }
  }
}

/** Whether the archives of a run are made, and nothing is left to do for them. */
export async function hasArchives(runFolder: string, keys: readonly ResultKey[]): Promise<boolean> {
  const names: string[] = [];
  for (const { attack, access } of keys) {
    if (access === "none") continue;
    names.push(imageFileName(attack, access, names));
    const found = await stat(join(runFolder, folderName, `${names.at(-1)}.npz`)).catch(() => undefined);
    if (!found) return false;
  }
  return true;
}

/**
 * What a file with an attack's images is called: its id with the access, as file systems allow it.
 *
 * @param others names that are taken
 */
export function imageFileName(attack: string, access: string, others: readonly string[] = []): string {
  const name = `${attack}-${access}`.replace(/[^\w.=,-]+/g, "-");
  let unique = name;
  for (let i = 2; others.includes(unique); i++) unique = `${name}-${i}`;
  return unique;
}

function imageBytes({ imageShape }: Dataset): number {
  return imageShape.reduce((product, size) => product * size, Float32Array.BYTES_PER_ELEMENT);
}

function missing(path: string, samples: number): HireSnnError {
  return new HireSnnError(
    "RUN_MISMATCH",
    `Expected the adversarial images of ${samples} samples in ${path} but they are not there: the run was begun without ` +
      "--save-adversarial. Go on without it, or run again into another folder",
  );
}
