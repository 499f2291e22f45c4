import {
  appendFileSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
} from "node:fs";
import { join } from "node:path";
import { openCheckpoint } from "../checkpoint/open-checkpoint";
import { OutputFile } from "../checkpoint/output-file";
import { OrderedMap, TensorToWrite, type WritableValue } from "../checkpoint/writable";
import { writeCheckpoint } from "../checkpoint/write-checkpoint";
import { HireSnnError } from "../errors";
import { networkFilePath } from "../networks/network-file";
import { resolveSurrogate } from "../networks/surrogate";
import type { TensorData } from "../tensor/tensor";
import { trainedTensors, type TrainedNetwork } from "./trained-network";

const configName = "config.json";
const pointerName = "checkpoint.json";
const logName = "log.jsonl";

/** What decides a training, and what it ran on. */
export interface TrainingRecord {
  readonly schemaVersion: 1;
  /** A training goes on under the same identity alone. */
  readonly identity: Readonly<Record<string, unknown>>;
  /** What its bits depend on besides: threads, libtorch, instruction set. */
  readonly execution: Readonly<Record<string, unknown>>;
}

/** Where a training is, between two mini-batches. */
export interface TrainingProgress {
  /** Mini-batches that are done. */
  readonly step: number;
  readonly epoch: number;
  /** Of the epoch: mini-batches that are done. */
  readonly batch: number;
  /** Sums over the epoch's mini-batches. */
  readonly sums: EpochSums;
}

export interface EpochSums {
  readonly loss: number;
  readonly correct: number;
  readonly samples: number;
  readonly gradientNorm: number;
  /** Per counted layer. */
  readonly spikes: readonly number[];
}

/** Which files hold the last checkpoint; written when they are complete. */
interface Pointer {
  readonly model: string;
  readonly state: string;
  /** Length of the log's lines of finished epochs. */
  readonly logBytes: number;
}

/**
 * The folder of a training:
 *
 * - `config.json`: its settings and what it ran on
 * - `step-N.pt` with `step-N.state.pt`: the last checkpoint, in the original's form, and beside it the optimizer's state and where
 *   the training is; `checkpoint.json` names the two
 * - `log.jsonl`: a line for each epoch
 * - `model.pt` with `model.network.json`: the trained network, in the end
 *
 * Each file appears whole or not at all and the pair is replaced by changing `checkpoint.json`, so that the folder can be gone on
 * with after whatever end.
 */
export class TrainingFolder {
  private constructor(readonly path: string) {}

  /** @throws HireSnnError INVALID_ARGUMENT if the folder holds a training */
  static expectNone(path: string): void {
    if (existsSync(join(path, configName))) {
      throw new HireSnnError(
        "INVALID_ARGUMENT",
        `Expected a folder without a training for out but found ${join(path, configName)}; go on with it by resume (--resume), or ` +
          "name another folder",
      );
    }
  }

  /** @throws HireSnnError INVALID_ARGUMENT if the folder holds a training */
  static create(path: string, record: TrainingRecord): TrainingFolder {
    TrainingFolder.expectNone(path);
    attempt(path, () => mkdirSync(path, { recursive: true }));
    const folder = new TrainingFolder(path);
    folder.writeText(configName, json(record));
    return folder;
  }

  /**
   * @returns the folder, and how the execution recorded there differs
   * @throws HireSnnError INVALID_ARGUMENT if there is no training, or one of another identity
   */
  static resume(path: string, record: TrainingRecord): { folder: TrainingFolder; differences: string[] } {
    const file = join(path, configName);
    if (!existsSync(file)) {
      throw new HireSnnError(
        "INVALID_ARGUMENT",
        `Expected a training to go on with in ${path} but found no ${configName}`,
      );
    }
    const stored = JSON.parse(readFileSync(file, "utf8")) as TrainingRecord;
    const plain = JSON.parse(JSON.stringify(record)) as TrainingRecord;
    // Trainings that began before there was a choice do not say what they chose.
    const changed = differing(
      { coding: "direct", mixedPrecision: false, surrogate: resolveSurrogate(), ...stored.identity },
      plain.identity,
    );
    if (changed.length > 0) {
      throw new HireSnnError(
        "INVALID_ARGUMENT",
        `Expected the settings that the training in ${path} began with but received others:\n  ${changed.join("\n  ")}`,
      );
    }
    // A file that was being written when the process ended.
    for (const name of readdirSync(path))
      if (name.includes(".partial-")) rmSync(join(path, name), { force: true });
    return {
      folder: new TrainingFolder(path),
      differences: differing({ device: "cpu", ...stored.execution }, plain.execution),
    };
  }

  get finished(): boolean {
    return existsSync(join(this.path, "model.pt"));
  }

  get modelPath(): string {
    return join(this.path, "model.pt");
  }

  /** Writes the network, its optimizer's state and the progress, and drops the checkpoint before. */
  async save(trained: TrainedNetwork, progress: TrainingProgress): Promise<void> {
    const before = this.pointer();
    const name = `step-${progress.step}`;
    const pointer: Pointer = { model: `${name}.pt`, state: `${name}.state.pt`, logBytes: this.logBytes() };
    const model = new OrderedMap();
    for (const { key, name: tensor } of trainedTensors(trained.network, trained.isAnn)) {
      model.set(key, await writable(trained, tensor));
    }
    const state = new Map<string, WritableValue>();
    for (const tensor of await trained.native.state()) {
      if (!tensor.includes("/") && tensor !== "noise") continue; // the model's
      state.set(tensor, await writable(trained, tensor));
    }
    writeCheckpoint(join(this.path, pointer.model), model);
    writeCheckpoint(
      join(this.path, pointer.state),
      new Map<string, WritableValue>([
        ["progress", JSON.stringify(progress)],
        ["state", state],
      ]),
    );
    this.writeText(pointerName, json(pointer));
    if (before) this.drop(before, pointer);
  }

  /**
   * Gives a network the last checkpoint's tensors.
   *
   * @returns undefined if the training ended before its first checkpoint
   */
  async restore(trained: TrainedNetwork): Promise<TrainingProgress | undefined> {
    const pointer = this.pointer();
    if (!pointer) {
      if (this.logBytes() > 0) truncateSync(join(this.path, logName), 0);
      return undefined;
    }
    using model = openCheckpoint(join(this.path, pointer.model));
    for (const { key, name, shape } of trainedTensors(trained.network, trained.isAnn)) {
      await trained.write(name, model.readFloat32(key), shape);
    }
    using state = openCheckpoint(join(this.path, pointer.state));
    for (const [path, { shape }] of state.tensors) {
      if (path.startsWith("state."))
        await trained.write(path.slice("state.".length), state.read(path) as TensorData, shape);
    }
    if (this.logBytes() > pointer.logBytes) truncateSync(join(this.path, logName), pointer.logBytes);
    return JSON.parse(state.extras.get("progress") as string) as TrainingProgress;
  }

  /** Puts the last checkpoint under its final name, with the description that a reader of the file needs. */
  finish(description: unknown): void {
    const pointer = this.pointer();
    if (!pointer) throw new HireSnnError("IO", `Expected a checkpoint in ${this.path} but found none`);
    this.writeText(networkFilePath("model.pt"), json(description));
    const partial = join(this.path, "model.pt.partial-link");
    attempt(partial, () => {
      rmSync(partial, { force: true });
      try {
        linkSync(join(this.path, pointer.model), partial);
      } catch {
        copyFileSync(join(this.path, pointer.model), partial); // a file system without links
      }
    });
    attempt(this.modelPath, () => {
      renameSync(partial, this.modelPath);
    });
  }

  /** Appends one epoch's line. */
  log(line: unknown): void {
    attempt(join(this.path, logName), () => {
      appendFileSync(join(this.path, logName), `${JSON.stringify(line)}\n`, { flush: true });
    });
  }

  private pointer(): Pointer | undefined {
    const file = join(this.path, pointerName);
    return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Pointer) : undefined;
  }

  private drop(before: Pointer, kept: Pointer): void {
    for (const name of [before.model, before.state]) {
      if (name !== kept.model && name !== kept.state) rmSync(join(this.path, name), { force: true });
    }
  }

  private logBytes(): number {
    const file = join(this.path, logName);
    return existsSync(file) ? statSync(file).size : 0;
  }

  private writeText(name: string, text: string): void {
    OutputFile.write(join(this.path, name), (file) => {
      file.append(Buffer.from(text, "utf8"));
    });
  }
}

async function writable(trained: TrainedNetwork, name: string): Promise<TensorToWrite> {
  const { data, shape, dtype } = await trained.read(name);
  return new TensorToWrite(dtype, shape, () => data);
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** "key: found instead of expected" for each entry that is not the same. */
function differing(
  expected: Readonly<Record<string, unknown>>,
  found: Readonly<Record<string, unknown>>,
): string[] {
  return [...new Set([...Object.keys(expected), ...Object.keys(found)])].flatMap((key) => {
    const [before, now] = [JSON.stringify(expected[key]), JSON.stringify(found[key])];
    return before === now ? [] : [`${key}: ${now} instead of ${before}`];
  });
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw new HireSnnError("IO", `Cannot write ${path}: ${(error as Error).message}.`, { cause: error });
  }
}
