import type { ModelIdentity } from "../../evaluation/run-config";
import { modelDetails, tellApart, type LabelledRun } from "../labels";
import { representative } from "../representative";
import type { Section } from "../report-model";
import { intervalColumn } from "./columns";

/** Accuracy of each target on images made on each source, where attacks were made on several networks. */
export function transferSection(runs: readonly LabelledRun[]): Section | undefined {
  const nameOf = modelNames(runs);
  const rows = runs.flatMap((run) =>
    run.settings.flatMap(({ attack, attackName, result }) => {
      if (!attack) return [];
      const { target, source } = run.config.execution;
      const model = result.access === "white" ? target : source;
      const identity = result.access === "white" ? run.config.identity.target : run.config.identity.source;
      if (!model || !identity) return [];
      return [
        {
          attack: attackName,
          source: nameOf(model.name, identity),
          target: nameOf(target.name, run.config.identity.target),
          access: result.access,
          dataset: run.config.identity.dataset.name,
          accuracy: result.top1,
          interval: result.interval,
          correct: result.correct,
          samples: result.n,
        },
      ];
    }),
  );
  // The same target in white box is in every run of it: once is enough.
  const distinct = [
    ...new Map(rows.map((row) => [[row.attack, row.source, row.target].join("\n"), row])).values(),
  ];
  // One source for one target is no matrix: the tables above have it. A model in two pairs makes one.
  const pairs = new Map(
    distinct
      .filter(({ access }) => access === "black")
      .map(({ source, target }) => [JSON.stringify([source, target]), [source, target]]),
  );
  const models = [...pairs.values()].flat();
  if (new Set(models).size === models.length) return undefined;
  const shown = new Set(
    runs.flatMap(({ settings }) => representative(settings).map(({ attackName }) => attackName)),
  );
  const attacks = [...new Set(distinct.map(({ attack }) => attack))];
  return {
    id: "transfer",
    title: "Transfer between networks",
    short: "Transfer",
    text: [
      "Rows are the networks whose gradients made the images, columns those that classify them; cells are top-1 in per cent. Where both are the " +
        "same, the attack is white box. A transferred attack that does better than the white-box one says that the target's gradients mislead.",
    ],
    tables: attacks.map((attack, i) => ({
      id: `transfer-${i + 1}`,
      title: attack,
      folded: !shown.has(attack),
      pivot: { rows: "source", columns: "target", value: "accuracy", fixed: true, shaded: true },
      columns: [
        { key: "attack", title: "Attack", format: "text" },
        { key: "source", title: "Images made on", format: "text" },
        { key: "target", title: "Classified by", format: "text" },
        { key: "accuracy", title: "Top-1, %", format: "percent" },
        intervalColumn,
        { key: "correct", title: "Correct", format: "integer" },
        { key: "samples", title: "Images", format: "integer" },
      ],
      rows: distinct.filter((row) => row.attack === attack),
    })),
  };
}

/** Names of all targets and sources, with what tells networks of one name apart. */
function modelNames(runs: readonly LabelledRun[]): (name: string, identity: ModelIdentity) => string {
  const keyOf = (name: string, identity: ModelIdentity): string =>
    JSON.stringify([name, ...modelDetails.map((detail) => detail(identity)), identity["sha256"]]);
  const models = new Map<string, { name: string; identity: ModelIdentity }>();
  for (const { config } of runs) {
    for (const role of ["target", "source"] as const) {
      const identity = config.identity[role];
      const name = config.execution[role]?.name;
      if (identity && name !== undefined) models.set(keyOf(name, identity), { name, identity });
    }
  }
  const names = tellApart(
    [...models.values()],
    [
      ({ name }) => name,
      ...modelDetails.map(
        (detail) =>
          ({ identity }: { identity: ModelIdentity }) =>
            detail(identity),
      ),
    ],
    [({ identity }) => shortHash(identity)],
  );
  const byKey = new Map([...models.keys()].map((key, i) => [key, names[i] as string]));
  return (name, identity) => byKey.get(keyOf(name, identity)) as string;
}

function shortHash({ sha256 }: ModelIdentity): string {
  return typeof sha256 === "string" ? sha256.slice(0, 8) : "";
}
