import { basename } from "node:path";
import { describeAttack, type AttackIdentity, type ModelIdentity } from "../evaluation/run-config";
import type { Result } from "../evaluation/results";
import { formatEpsilon } from "./format";
import type { RunData } from "./read-run";

/** A result with all that tables and plots say of it. */
export interface Setting {
  readonly run: LabelledRun;
  readonly result: Result;
  /** null for clean images. */
  readonly attack: AttackIdentity | null;
  /** "Clean", "FGSM", "PGD-7": with what tells apart attacks that these would not. */
  readonly attackName: string;
  /** The attack's name with its access: "PGD-7, white box". */
  readonly label: string;
}

export interface LabelledRun extends RunData {
  /** Unique among the runs of a report. */
  readonly label: string;
  readonly settings: readonly Setting[];
}

/** Gives runs and attacks names that are as short as tells them apart. */
export function labelRuns(runs: readonly RunData[]): LabelledRun[] {
  const runLabels = labelsOf(runs);
  const attackNames = namesOfAttacks(runs.flatMap(({ config }) => config.identity.attacks));
  return runs.map((run, i) => {
    const settings: Setting[] = [];
    const labelled: LabelledRun = { ...run, label: runLabels[i] as string, settings };
    for (const result of run.results) {
      const attack = run.config.identity.attacks.find(({ id }) => id === result.attack) ?? null;
      const attackName = attack ? (attackNames.get(describeAttack(attack)) as string) : "Clean";
      const label = attack ? `${attackName}, ${result.access} box` : attackName;
      settings.push({ run: labelled, result, attack, attackName, label });
    }
    return labelled;
  });
}

/** What may tell runs apart, most telling first; a folder's name is for runs that nothing else tells apart. */
function labelsOf(runs: readonly RunData[]): string[] {
  return tellApart(
    runs,
    [
      ({ config }) => config.execution.target.name,
      ...modelDetails.map(
        (detail) =>
          ({ config }: RunData) =>
            detail(config.identity.target),
      ),
      ({ config: { execution } }) => (execution.source ? `source ${execution.source.name}` : "no source"),
      ({ config: { identity } }) => `${identity.dataset.name}, ${identity.dataset.samples} images`,
      ({ config: { identity } }) => `seed ${identity.seed}`,
    ],
    [({ folder }) => basename(folder), ({ folder }) => folder],
  );
}

/** What may tell networks of one name apart. */
export const modelDetails: readonly ((model: ModelIdentity) => string)[] = [
  (model) => timestepsLabel(model),
  (model) => (model["coding"] === "rate" ? "rate coding" : ""),
  (model) => `leaks ${shortened(model["leaks"])}`,
  (model) => `surrogate ${shortened(model["surrogate"])}`,
];

/**
 * Names things by their first detail and as many of the others, in their order, as are needed to tell them apart.
 *
 * @param lastResorts details for things that are alike otherwise
 */
export function tellApart<Thing>(
  things: readonly Thing[],
  details: readonly ((thing: Thing) => string)[],
  lastResorts: readonly ((thing: Thing) => string)[],
): string[] {
  let labels = things.map(() => [] as string[]);
  for (const [i, detail] of [...details, ...lastResorts].entries()) {
    const parts = things.map(detail);
    const joined = labels.map((label) => label.join(", "));
    const groups = new Map<string, Set<string>>();
    for (const [j, label] of joined.entries())
      groups.set(label, (groups.get(label) ?? new Set()).add(parts[j] as string));
    const alike = new Set(joined).size < things.length;
    const tells = i >= details.length ? alike : new Set(parts).size > 1;
    if (i === 0 || (tells && [...groups.values()].some(({ size }) => size > 1))) {
      labels = labels.map((label, j) => (parts[j] ? [...label, parts[j]] : label));
    }
  }
  return labels.map((label) => label.join(", "));
}

/** Whether the run's target is a network whose outputs are no spikes. */
export function isAnn({ config }: Pick<RunData, "config">): boolean {
  return config.identity.target["kind"] === "ann";
}

/** "T = 8"; "" of a program, and of an ANN, which has no time. */
export function timestepsLabel({ timesteps, ...target }: ModelIdentity): string {
  return timesteps === undefined || target["kind"] === "ann" ? "" : `T = ${timesteps}`;
}

function shortened(value: unknown): string {
  if (Array.isArray(value)) {
    const distinct = [...new Set(value.map((part) => shortened(part)))];
    return distinct.length <= 3 ? distinct.join("/") : `${distinct[0] ?? ""} …`;
  }
  if (typeof value === "number") return String(Number(value.toPrecision(4)));
  if (typeof value === "object" && value !== null) return Object.values(value).map(shortened).join(" ");
  return String(value);
}

/** Short names by {@link describeAttack}: with epsilon where the family and steps alone are not unique, else with all parameters. */
function namesOfAttacks(attacks: readonly AttackIdentity[]): Map<string, string> {
  const distinct = new Map(attacks.map((attack) => [describeAttack(attack), attack]));
  const names = new Map<string, string>();
  for (const [id, attack] of distinct) {
    const isUnique = (name: (other: AttackIdentity) => string): boolean =>
      [...distinct.values()].filter((other) => name(other) === name(attack)).length === 1;
    const withEpsilon = (other: AttackIdentity): string =>
      `${familyName(other)} ε ${formatEpsilon(other.threatModel.epsilon)}`;
    names.set(
      id,
      isUnique(familyName) ? familyName(attack) : isUnique(withEpsilon) ? withEpsilon(attack) : id,
    );
  }
  return names;
}

/** "FGSM", "PGD-7". */
export function familyName({ name, parameters }: AttackIdentity): string {
  const steps = parameters["steps"];
  return `${name.length <= 5 ? name.toUpperCase() : name}${typeof steps === "number" ? `-${steps}` : ""}`;
}

/** The class's name where the run has it, else its number. */
export function className({ config }: RunData, index: number): string {
  const names = config.execution.classes as unknown;
  const name: unknown = Array.isArray(names) ? names[index] : undefined;
  return typeof name === "string" ? name : `class ${index}`;
}
