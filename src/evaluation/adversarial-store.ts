import { mkdir, open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { Dataset } from "../datasets/dataset";
import { writeNpz } from "../datasets/write-npz";
import { HireSnnError } from "../errors";
import {
  adversarialFiles,
  adversarialFolder,
  removeLeftovers,
  type AdversarialFile,
  type AdversarialImages,
} from "./adversarial-images";
import { readAt, syncFolder, writeAt } from "./durable-file";
import type { Access } from "./ledger-row";
import { ResourceStack } from "./resource-stack";
import type { ResultKey } from "./results";
import type { SampleRange } from "./shard";

/** Images that are read at once when the archives are made. */
const imagesAtOnce = 64;

/** Where the images of one attack are while the run goes on. */
interface OpenFile extends AdversarialFile {
  readonly handle: FileHandle;
}

/**
 * The adversarial images of a run, one archive for each attack and access: `adversarial/ATTACK-ACCESS.npz` with `images` (float32, as
 * they were classified), `labels` and `indices` (of the samples in the data set). While the run goes on they lie, batch by batch at
 * their place, in a file of plain numbers beside it.
 */
export class AdversarialStore implements AdversarialImages {
  private constructor(
    private readonly runFolder: string,
    private readonly keys: readonly ResultKey[],
    private readonly files: readonly OpenFile[],
    /** The files' handles. */
    private readonly opened: ResourceStack,
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
    const folder = join(runFolder, adversarialFolder);
    await mkdir(folder, { recursive: true });
    const bytes = samplesBefore * imageBytes(dataset);
    const opened = new ResourceStack();
    return await opened.whileOpening(async () => {
      const files: OpenFile[] = [];
      for (const file of adversarialFiles(runFolder, keys)) {
        const path = file.numbers;
        const handle = await open(path, samplesBefore === 0 ? "w+" : "r+").catch((error: unknown) => {
          if ((error as NodeJS.ErrnoException).code === "ENOENT") throw missing(path, samplesBefore);
          throw error;
        });
        opened.defer(() => handle.close());
        files.push({ ...file, handle });
        if ((await handle.stat()).size < bytes) throw missing(path, samplesBefore);
      }
      await syncFolder(folder);
      return new AdversarialStore(runFolder, keys, files, opened, dataset, range);
    });
  }

  /** Keeps the images of a batch. They are on the disk after {@link sync}. */
  async put(attack: string, access: Access, images: Float32Array, firstSample: number): Promise<void> {
    const bytes = Buffer.from(images.buffer, images.byteOffset, images.byteLength);
    await writeAt(this.handleOf(attack, access), bytes, this.positionOf(firstSample));
  }

  async read(attack: string, access: Access, sample: number): Promise<Float32Array> {
    const bytes = await readAt(
      this.handleOf(attack, access),
      this.positionOf(sample),
      imageBytes(this.dataset),
    );
    return floatsOf(bytes);
  }

  async sync(): Promise<void> {
    for (const { handle } of this.files) await handle.datasync();
  }

  /**
   * Makes the archives of what was put, and removes the files of plain numbers.
   *
   * @param labels of the range's samples
   */
  async finish(labels: Int32Array): Promise<void> {
    const { imageShape, classes, mean, std } = this.dataset;
    const length = this.range.end - this.range.begin;
    const description = { length, imageShape, classes, mean, std, firstIndex: this.range.begin };
    for (const { archive, handle } of this.files) {
      await writeNpz(archive, description, this.batches(handle, labels));
    }
    await this.close();
    await removeLeftovers(this.runFolder, this.keys);
  }

  async close(): Promise<void> {
    await this.opened.release();
  }

  private handleOf(attack: string, access: Access): FileHandle {
    const file = this.files.find((each) => each.attack === attack && each.access === access);
    if (!file) throw new Error(`no file of ${attack}, ${access}`);
    return file.handle;
  }

  private positionOf(sample: number): number {
    return (sample - this.range.begin) * imageBytes(this.dataset);
  }

  private async *batches(
    handle: FileHandle,
    labels: Int32Array,
  ): AsyncGenerator<{ images: Float32Array; labels: Int32Array }> {
    const stride = imageBytes(this.dataset);
    for (let begin = 0; begin < labels.length; begin += imagesAtOnce) {
      const some = labels.subarray(begin, begin + imagesAtOnce);
      yield {
        images: floatsOf(await readAt(handle, begin * stride, some.length * stride)),
        labels: some,
      };
    }
  }
}

/** A copy, because a view has to begin at a multiple of four. */
function floatsOf(bytes: Uint8Array): Float32Array {
  return new Float32Array(Uint8Array.from(bytes).buffer);
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
