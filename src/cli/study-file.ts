import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { isNode, LineCounter, parseDocument, type Document } from "yaml";
import { z } from "zod";
import type { Attack } from "../attacks/attack";
import type { Device } from "../classifiers/classifier";
import { checkDevice, checkTf32 } from "../classifiers/device";
import type { ModelOptions } from "../classifiers/load-model";
import type { SurrogateOptions } from "../networks/surrogate";
import { datasetNames } from "../datasets/open-dataset";
import { HireSnnError } from "../errors";
import { parseAttack } from "./attack-spec";
import { parseImageShape, parseNumber } from "./numbers";
import { suggest } from "./suggest";
import { parseSurrogate } from "./surrogate-spec";

const count = z.int().min(1);
const fraction = z.union([z.number(), z.string()]);
const coding = z.enum(["direct", "rate"]);
const model = z.union([
  z.string(),
  z.strictObject({
    file: z.string(),
    name: z.string().optional(),
    network: z.string().optional(),
    timesteps: count.optional(),
    mean: z.array(z.number()).optional(),
    std: z.array(z.number()).optional(),
    output: z.string().optional(),
    inputShape: z.string().optional(),
    dtype: z.enum(["float32", "float64"]).optional(),
    microBatch: count.optional(),
    coding: coding.optional(),
  }),
]);

const schema = z.strictObject({
  models: z.array(model).min(1),
  sources: z.array(model).optional(),
  attacks: z.array(z.string()).min(1),
  epsilons: z.array(fraction).min(1).optional(),
  steps: z.array(count).min(1).optional(),
  timesteps: z.array(count).optional(),
  leaks: z.array(z.number()).optional(),
  surrogates: z.array(z.string()).optional(),
  dataset: z.strictObject({
    name: z.enum(datasetNames),
    data: z.string().optional(),
    split: z.enum(["test", "train"]).optional(),
    classes: count.optional(),
    mean: z.array(z.number()).optional(),
    std: z.array(z.number()).optional(),
    resize: count.optional(),
    crop: count.optional(),
  }),
  samples: count.optional(),
  seed: z.int().min(0).optional(),
  batchSize: count.optional(),
  threads: count.optional(),
  device: z.string().optional(),
  tf32: z.boolean().optional(),
  coding: coding.optional(),
  allowZeroGradient: z.boolean().optional(),
  out: z.string(),
});

/** The description of a study, with its paths resolved from the file's folder and its attacks multiplied out. */
export interface StudyFile extends Omit<
  z.infer<typeof schema>,
  "models" | "sources" | "attacks" | "surrogates" | "device" | "coding"
> {
  readonly models: readonly ModelFile[];
  readonly sources: readonly ModelFile[];
  readonly attacks: readonly Attack[];
  readonly surrogates: readonly SurrogateOptions[] | undefined;
  readonly device: Device | undefined;
}

/** A checkpoint or a TorchScript program, and what is said of it. */
export interface ModelFile extends Pick<
  ModelOptions,
  "network" | "timesteps" | "mean" | "std" | "output" | "inputShape" | "dtype" | "microBatch" | "coding"
> {
  readonly file: string;
  readonly name?: string | undefined;
}

/**
 * Reads the description of a study, in YAML or JSON (which is YAML).
 *
 * @throws HireSnnError STUDY_INVALID with line and column of what is wrong, and for a misspelt key the one that was probably meant;
 *   INVALID_ARGUMENT for an attack, a surrogate or a device that is wrong, and for TF32 without a GPU
 */
export async function readStudyFile(path: string): Promise<StudyFile> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new HireSnnError("IO", `Could not read ${path}: ${(error as Error).message}`, { cause: error });
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [syntax] = document.errors;
  if (syntax) throw new HireSnnError("STUDY_INVALID", `${path} is no YAML or JSON: ${syntax.message}`);
  const parsed = schema.safeParse(document.toJS());
  if (!parsed.success) {
    const problems = parsed.error.issues.flatMap((issue) => describeIssue(issue, document, lines));
    throw new HireSnnError(
      "STUDY_INVALID",
      `Expected a study in ${path} but:\n${problems.map((line) => `  ${line}`).join("\n")}`,
    );
  }
  const {
    models,
    sources = [],
    attacks,
    epsilons,
    steps,
    surrogates,
    dataset,
    device: named,
    coding: usual,
    out,
    ...others
  } = parsed.data;
  const device = named === undefined ? undefined : checkDevice(named);
  checkTf32(others.tf32, device);
  const from = (file: string): string => resolve(dirname(path), file);
  const modelFile = (each: z.infer<typeof model>): ModelFile => {
    const { file, inputShape, ...own } = typeof each === "string" ? { file: each } : each;
    const settings = { ...(usual !== undefined && { coding: usual }), ...own };
    const shape = inputShape !== undefined && { inputShape: parseImageShape(inputShape, "inputShape") };
    return { ...settings, ...shape, file: from(file) };
  };
  return {
    ...others,
    models: models.map(modelFile),
    sources: sources.map(modelFile),
    attacks: multiplied(attacks, epsilons?.map(toNumber), steps),
    surrogates: surrogates?.map(parseSurrogate),
    device,
    dataset: { ...dataset, ...(dataset.data !== undefined && { data: from(dataset.data) }) },
    out: from(out),
  };
}

function toNumber(value: number | string): number {
  return typeof value === "number" ? value : parseNumber(value, "epsilons");
}

/** Each attack at each epsilon and number of steps that it does not name itself. */
function multiplied(
  specs: readonly string[],
  epsilons: readonly number[] | undefined,
  steps: readonly number[] | undefined,
): Attack[] {
  return specs.flatMap((spec) => {
    const takesSteps = spec.startsWith("pgd") && steps !== undefined && !/[:,]\s*steps\s*=/.test(spec);
    const variants = takesSteps
      ? steps.map((each) => `${spec}${spec.includes(":") ? "," : ":"}steps=${each}`)
      : [spec];
    const radii = epsilons === undefined || /[:,]\s*epsilon\s*=/.test(spec) ? [undefined] : epsilons;
    return variants.flatMap((variant) => radii.map((epsilon) => parseAttack(variant, epsilon)));
  });
}

function describeIssue(issue: z.core.$ZodIssue, document: Document, lines: LineCounter): string[] {
  const path = issue.path as (string | number)[];
  if (issue.code === "unrecognized_keys") {
    const known = keysAt(path);
    return issue.keys.map((key) => {
      const meant = suggest(key, known);
      const advice = meant === undefined ? `; known are ${known.join(", ")}` : `; did you mean ${meant}?`;
      return `${place(document, lines, [...path, key])}: unknown key ${JSON.stringify(key)}${advice}`;
    });
  }
  // Of a union, the branch that got furthest says what is wrong.
  if (issue.code === "invalid_union") {
    const nested = issue.errors
      .flat()
      .filter((each) => each.path.length > 0 || each.code === "unrecognized_keys");
    if (nested.length > 0) {
      return nested.flatMap((each) =>
        describeIssue({ ...each, path: [...path, ...each.path] }, document, lines),
      );
    }
  }
  return [`${place(document, lines, path)}: ${path.join(".") || "the study"}: ${issue.message}`];
}

/** The keys that an object of the study may have. */
function keysAt(path: readonly (string | number)[]): string[] {
  if (path[0] === "dataset") return Object.keys(schema.shape.dataset.shape);
  if (path[0] === "models" || path[0] === "sources") return Object.keys(model.options[1].shape);
  return Object.keys(schema.shape);
}

/** "line 3, column 1" of a key or value; of the nearest thing around it where it is missing. */
function place(document: Document, lines: LineCounter, path: readonly (string | number)[]): string {
  for (let length = path.length; length >= 0; length--) {
    const node: unknown = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
    if (!isNode(node) || !node.range) continue;
    return `line ${lines.linePos(node.range[0]).line}`;
  }
  return "line 1";
}
