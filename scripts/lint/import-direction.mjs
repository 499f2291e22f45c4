// ESLint rule: imports within src/ point one way (docs/design.md), and only src/native/ touches the .node file.
import { dirname, relative, resolve, sep } from "node:path";

/** What each folder of src/ may import besides itself and the files of src/ that all may know. */
const allowed = {
  native: [],
  tensor: ["native"],
  checkpoint: [],
  networks: ["checkpoint"],
  datasets: ["networks", "checkpoint"],
  classifiers: ["networks", "checkpoint", "tensor", "native"],
  // The interface, never a concrete network: an attack has to work on a classifier written by a user.
  attacks: ["classifiers/classifier", "classifiers/loss", "tensor"],
  energy: ["classifiers", "networks"],
  training: ["attacks", "energy", "classifiers", "datasets", "networks", "checkpoint", "tensor", "native"],
  evaluation: ["attacks", "energy", "classifiers", "datasets", "networks", "checkpoint", "tensor"],
  // A report computes nothing: of an evaluation it knows the ledger and the run's description, of a training its log.
  report: [
    ["energy", "evaluation/ledger", "evaluation/run-config", "evaluation/adversarial-images"],
    ["evaluation/results", "evaluation/wilson", "training/epoch-record"],
  ].flat(),
  reproduction: [
    ["report", "evaluation", "training", "attacks", "classifiers", "datasets", "networks"],
    ["checkpoint", "tensor", "native"],
  ].flat(),
  doctor: ["datasets", "native"],
  cli: [
    [
      "reproduction",
      "report",
      "evaluation",
      "training",
      "attacks",
      "energy",
      "classifiers",
      "datasets",
      "networks",
    ],
    ["checkpoint", "tensor", "native", "doctor"],
  ].flat(),
};
const knownToAll = ["demo", "errors", "version"];

export const importDirection = {
  meta: {
    type: "problem",
    docs: { description: "imports within src/ point one way" },
    schema: [],
    messages: {
      direction:
        "{{folder}}/ must not import {{target}}: it may import {{may}}. Imports point one way, see docs/design.md.",
      unknown: "docs/design.md and scripts/lint/import-direction.mjs do not know the folder src/{{folder}}/.",
      addon: "Only src/native/ touches the .node file.",
    },
  },
  create(context) {
    const source = resolve(context.cwd, "src");
    const parts = relative(source, context.filename).split(sep);
    if (parts[0] === "..") return {};
    // index.ts and the like stand above all folders.
    const folder = parts.length > 1 ? parts[0] : null;

    function check(node) {
      if (folder === null || typeof node?.value !== "string" || !node.value.startsWith(".")) return;
      // The .node file is not in src/: it has its own check below.
      if (node.value.endsWith(".node")) return;
      const target = relative(source, resolve(dirname(context.filename), node.value))
        .split(sep)
        .join("/");
      if (allowed[folder] === undefined)
        return context.report({ node, messageId: "unknown", data: { folder } });
      const mayBe = [folder, ...allowed[folder]].some(
        (prefix) => target.startsWith(`${prefix}/`) || (prefix.includes("/") && target.startsWith(prefix)),
      );
      if (mayBe || knownToAll.includes(target)) return undefined;
      const may = [...allowed[folder], ...knownToAll].join(", ");
      return context.report({ node, messageId: "direction", data: { folder, target, may } });
    }

    return {
      ImportDeclaration: (node) => check(node.source),
      ExportNamedDeclaration: (node) => check(node.source),
      ExportAllDeclaration: (node) => check(node.source),
      ImportExpression: (node) => check(node.source),
      TSImportType: (node) => check(node.source ?? node.argument?.literal),
      CallExpression: (node) => node.callee.name === "require" && check(node.arguments[0]),
      Literal(node) {
        if (folder !== "native" && typeof node.value === "string" && node.value.endsWith(".node")) {
          context.report({ node, messageId: "addon" });
        }
      },
    };
  },
};
