import { existsSync } from "node:fs";
import { parse } from "node:path";
import { HireSnnError } from "../errors";
import { FileSource } from "./byte-source";
import type { CheckpointFormat } from "./checkpoint";
import { keyText } from "./contents";
import { convertFloating, isFloating, type FloatingDtype } from "./convert-dtype";
import { openSource, type CheckpointWithObject } from "./open-checkpoint";
import { PickleDict, type PickleValue } from "./pickle-values";
import { SAFETENSORS_METADATA } from "./safetensors-form";
import { FileTensor, UnreadableTensor } from "./stored-tensor";
import { OrderedMap, TensorToWrite, type WritableValue } from "./writable";
import { writeCheckpoint } from "./write-checkpoint";

/** How {@link convertCheckpoint} writes. */
export interface ConvertOptions {
  /** By default safetensors if the output's name ends so, else legacy. */
  readonly format?: CheckpointFormat | undefined;
  /** What all floating-point tensors become; integers and bool stay as they are. */
  readonly dtype?: FloatingDtype | undefined;
  /** Whether files that are there are replaced. */
  readonly overwrite?: boolean | undefined;
}

/** What {@link convertCheckpoint} wrote, and what it left out. */
export interface Conversion {
  readonly files: readonly ConvertedFile[];
  /** Paths in the input of what the output does not hold: objects, and with safetensors all that is no weight. */
  readonly leftOut: readonly string[];
  /** Of the input, see Checkpoint. */
  readonly warnings: readonly string[];
}

/** A file that {@link convertCheckpoint} wrote. */
export interface ConvertedFile {
  readonly path: string;
  readonly format: CheckpointFormat;
  readonly tensors: number;
  /** Bytes of the file. */
  readonly size: number;
}

/** Under what training scripts and Lightning keep the state of their optimizers, beside the weights. */
const OPTIMIZER_KEY = /^optim(izer)?s?(_states?(_dict)?)?$/;

/**
 * Writes a checkpoint in another form or type. Tensors and plain values keep their places; tied weights stay tied; objects of
 * other classes are left out and listed. An optimizer's state goes into a second file, NAME.optimizer.pt, so that the first is
 * as large as the network. A safetensors file gets the weights alone, under their names in the state dict.
 *
 * @throws HireSnnError IO, CHECKPOINT_*; INVALID_ARGUMENT if a file would be replaced, or if no tensor would be written
 */
export function convertCheckpoint(input: string, output: string, options: ConvertOptions = {}): Conversion {
  const format = options.format ?? (output.endsWith(".safetensors") ? "safetensors" : "legacy");
  const checkpoint = openSource(new FileSource(input));
  try {
    return new Converter(checkpoint, output, format, options).run();
  } finally {
    checkpoint.close();
  }
}

class Converter {
  private readonly leftOut: string[] = [];
  /** By the tensor's place in the file, so that tied weights stay so. */
  private readonly identities = new Map<string, object>();
  private tensors = 0;

  constructor(
    private readonly checkpoint: CheckpointWithObject,
    private readonly output: string,
    private readonly format: CheckpointFormat,
    private readonly options: ConvertOptions,
  ) {}

  run(): Conversion {
    const { weights, optimizer } = this.parts();
    const main = this.format === "safetensors" ? this.weightsAlone() : this.convert("", weights);
    const tensors = this.tensors;
    if (main === undefined || tensors === 0) {
      throw new HireSnnError(
        "INVALID_ARGUMENT",
        `Expected tensors to write, but ${this.checkpoint.path} has none outside of objects that are not read.`,
      );
    }
    const second = optimizer && this.convert("", optimizer);
    const optimizerTensors = this.tensors - tensors;

    const { dir, name } = parse(this.output);
    const secondPath = `${dir === "" ? "" : `${dir}/`}${name}.optimizer.pt`;
    for (const path of second === undefined ? [this.output] : [this.output, secondPath]) {
      if (!this.options.overwrite && existsSync(path)) {
        throw new HireSnnError(
          "INVALID_ARGUMENT",
          `${path} is there already: name another file, or ask for it to be replaced.`,
        );
      }
    }
    const files = [this.write(this.output, main, this.format, tensors)];
    if (second !== undefined) {
      // safetensors has no place for an optimizer's lists and numbers.
      const form = this.format === "safetensors" ? "legacy" : this.format;
      files.push(this.write(secondPath, second, form, optimizerTensors));
    }
    return { files, leftOut: this.leftOut, warnings: this.checkpoint.warnings };
  }

  private write(
    path: string,
    value: WritableValue,
    format: CheckpointFormat,
    tensors: number,
  ): ConvertedFile {
    return { path, format, tensors, size: writeCheckpoint(path, value, { format }) };
  }

  /** The object without an optimizer's entries, and these. */
  private parts(): { weights: PickleValue; optimizer: PickleDict | undefined } {
    const { object } = this.checkpoint;
    if (!(object instanceof PickleDict)) return { weights: object, optimizer: undefined };
    const weights = new PickleDict(object.typeName);
    const optimizer = new PickleDict();
    weights.attributes = object.attributes;
    for (const [key, value] of object.entries()) {
      const isState = value instanceof PickleDict || (Array.isArray(value) && value.length > 0);
      (isState && OPTIMIZER_KEY.test(keyText(key)) ? optimizer : weights).set(key, value);
    }
    return { weights, optimizer: optimizer.size > 0 ? optimizer : undefined };
  }

  private weightsAlone(): WritableValue {
    const { stateDict, extras, tensors } = this.checkpoint;
    const prefix = stateDict.path === "" ? "" : `${stateDict.path}.`;
    const isOptimizer = (path: string): boolean => OPTIMIZER_KEY.test(path.split(".", 1)[0] as string);
    const weights = new OrderedMap();
    const written = new Set<string>();
    for (const { path } of stateDict.tensors.values()) {
      if (isOptimizer(path)) continue;
      written.add(path);
      weights.set(path.slice(prefix.length), this.tensor(this.checkpoint.stored(path)));
    }
    const metadata = new Map<string, WritableValue>();
    const { object } = this.checkpoint;
    const texts = object instanceof PickleDict && object.get(SAFETENSORS_METADATA);
    if (this.checkpoint.format === "safetensors" && texts instanceof PickleDict) {
      for (const [key, text] of texts.entries()) metadata.set(keyText(key), text as string);
      weights.set(SAFETENSORS_METADATA, metadata);
    }
    for (const path of [...tensors.keys(), ...extras.keys()]) {
      const isMetadata = metadata.size > 0 && path.startsWith(`${SAFETENSORS_METADATA}.`);
      if (!written.has(path) && !isOptimizer(path) && !isMetadata) this.leftOut.push(path);
    }
    if (stateDict.others.length > 0) this.checkpoint.read(prefix + (stateDict.others[0] as string));
    return weights;
  }

  /** @returns undefined for something that cannot be written, which is then listed */
  private convert(path: string, value: PickleValue): WritableValue | undefined {
    if (value === null || typeof value !== "object") return value;
    if (value instanceof FileTensor) return this.tensor(value);
    // Refused by the error of reading it: a network without one of its tensors is no conversion.
    if (value instanceof UnreadableTensor) this.checkpoint.read(path);
    if (Array.isArray(value)) return this.list(path, value);
    if (value instanceof PickleDict) return this.dict(path, value);
    this.leftOut.push(path);
    return undefined;
  }

  /** What cannot be written is None in a list, so that the others keep their numbers. */
  private list(path: string, items: readonly PickleValue[]): WritableValue[] {
    return items.map((item, index) => this.convert(within(path, String(index)), item) ?? null);
  }

  private dict(path: string, dict: PickleDict): WritableValue {
    const map = dict.typeName === "dict" ? new Map<string | number, WritableValue>() : new OrderedMap();
    for (const [key, item] of dict.entries()) {
      const at = within(path, keyText(key));
      // Python 2's names that are no UTF-8 came as bytes.
      const name = typeof key === "number" || typeof key === "string" ? key : undefined;
      const converted = name === undefined ? undefined : this.convert(at, item);
      if (name === undefined) this.leftOut.push(at);
      else if (converted !== undefined) map.set(name, converted);
    }
    if (map instanceof OrderedMap && dict.attributes instanceof PickleDict) {
      map.attributes = this.dict(path, dict.attributes) as OrderedMap;
    }
    return map;
  }

  private tensor(tensor: FileTensor): TensorToWrite {
    const { place, dtype, shape } = tensor;
    let identity = this.identities.get(place);
    if (!identity) this.identities.set(place, (identity = {}));
    const to = isFloating(dtype) ? (this.options.dtype ?? dtype) : dtype;
    const read = (): ReturnType<CheckpointWithObject["readTensor"]> => {
      const values = this.checkpoint.readTensor(tensor);
      return isFloating(dtype) && isFloating(to) ? convertFloating(values, dtype, to) : values;
    };
    this.tensors++;
    return new TensorToWrite(to, shape, read, identity);
  }
}

function within(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}
