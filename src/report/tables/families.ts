import type { LabelledRun, Setting } from "../labels";

/** Settings of one run that differ in one parameter of the attack alone, in its order. */
export interface Family {
  readonly run: LabelledRun;
  /** "PGD-7, white box"; of attacks that differ in more, with what else. */
  readonly label: string;
  readonly settings: readonly Setting[];
}

/**
 * Groups the settings of a run by all parameters but those given; a group whose values are not unique (of a sweep over two
 * parameters) is grouped by the first parameter alone.
 *
 * @param varying the parameter, then those that may change with it: a step size that follows epsilon
 * @param least settings that a family must have
 */
export function familiesOf(
  run: LabelledRun,
  varying: readonly string[],
  least: number,
  name: (setting: Setting) => string,
): Family[] {
  const attacked = run.settings.filter(({ attack }) => attack !== null);
  const families = grouped(attacked, varying).flatMap((group) => {
    const values = group.map((setting) => parameter(setting, varying[0] as string));
    return new Set(values).size === values.length ? [group] : grouped(group, varying.slice(0, 1));
  });
  const kept = families.filter(({ length }) => length >= least);
  const labels = kept.map(([first]) => name(first as Setting));
  return kept.map((settings, i) => {
    const label = labels[i] as string;
    const alike = labels.filter((other) => other === label).length > 1;
    const order = (setting: Setting): number => Number(parameter(setting, varying[0] as string));
    return {
      run,
      label: alike ? `${label}, ${remaining(settings[0] as Setting, varying)}` : label,
      settings: [...settings].sort((a, b) => order(a) - order(b)),
    };
  });
}

export function parameter({ attack }: Setting, name: string): number | string | boolean | undefined {
  return name === "epsilon" ? attack?.threatModel.epsilon : attack?.parameters[name];
}

function grouped(settings: readonly Setting[], without: readonly string[]): Setting[][] {
  const groups = new Map<string, Setting[]>();
  for (const setting of settings) {
    const key = JSON.stringify([setting.attack?.name, setting.result.access, others(setting, without)]);
    groups.set(key, [...(groups.get(key) ?? []), setting]);
  }
  return [...groups.values()];
}

function others({ attack }: Setting, without: readonly string[]): [string, unknown][] {
  return Object.entries({ ...attack?.parameters, epsilon: attack?.threatModel.epsilon })
    .filter(([key]) => !without.includes(key))
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

function remaining(setting: Setting, without: readonly string[]): string {
  return others(setting, [...without.slice(0, 1), "steps"])
    .map(([key, value]) => `${key} ${String(value)}`)
    .join(", ");
}
