import type { Setting } from "./labels";

/** The radius that most published figures on these data sets are for. */
const usual = 8 / 255;

/**
 * The results that stand for a run where there is room for few: clean, and of each access and kind of attack, at the epsilon that is
 * closest to 8/255, the one with the lowest accuracy. White box comes before black box.
 */
export function representative(settings: readonly Setting[]): Setting[] {
  const best = new Map<string, Setting>();
  for (const setting of settings) {
    const key = `${setting.result.access} ${setting.attack?.name ?? ""}`;
    const before = best.get(key);
    if (!before || stands(setting, before)) best.set(key, setting);
  }
  return [...best.values()];
}

/** Of each access, the representative with the lowest accuracy. */
export function strongest(settings: readonly Setting[]): Setting[] {
  const all = representative(settings);
  return (["none", "white", "black"] as const).flatMap((access) =>
    all
      .filter(({ result }) => result.access === access)
      .sort((a, b) => a.result.top1 - b.result.top1)
      .slice(0, 1),
  );
}

function stands(setting: Setting, before: Setting): boolean {
  const [distance, least] = [setting, before].map(({ attack }) =>
    Math.abs((attack?.threatModel.epsilon ?? 0) - usual),
  ) as [number, number];
  return distance < least || (distance === least && setting.result.top1 < before.result.top1);
}
