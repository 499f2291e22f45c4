import { join } from "node:path";
import { Linter } from "eslint";
import { projectRoot } from "./run-script";

/** The messages of the rule for one file of src/. */
async function lint(file: string, code: string): Promise<string[]> {
  const { importDirection } = await import("../../scripts/lint/import-direction.mjs");
  const linter = new Linter({ cwd: projectRoot });
  const config = {
    files: ["**/*.ts"],
    plugins: { project: { rules: { "import-direction": importDirection as never } } },
    rules: { "project/import-direction": "error" as const },
  };
  return linter.verify(code, [config], join(projectRoot, "src", file)).map(({ message }) => message);
}

test.each([
  ["cli/main.ts", 'import { evaluate } from "../evaluation/evaluate";'],
  ["attacks/fgsm.ts", 'import { Tensor } from "../tensor/tensor"; import { other } from "./other";'],
  ["attacks/fgsm.ts", 'import { x } from "../classifiers/classifier";'],
  ["checkpoint/open.ts", 'import { HireSnnError } from "../errors"; import { open } from "node:fs";'],
  ["index.ts", 'export * from "./cli/main";'],
  ["native/addon.ts", 'require("../../build/Release/hire_snn.node");'],
])("%s may say %s", async (file, code) => {
  expect(await lint(file, code)).toEqual([]);
});

test.each([
  [
    "checkpoint/open.ts",
    'import { vgg } from "../networks/vgg";',
    "checkpoint/ must not import networks/vgg",
  ],
  [
    "attacks/fgsm.ts",
    'export * from "../classifiers/spiking-classifier";',
    "attacks/ must not import classifiers/spik",
  ],
  ["networks/vgg.ts", 'await import("../native/addon");', "networks/ must not import native/addon"],
  ["tensor/tensor.ts", 'require("../classifiers/loss");', "tensor/ must not import classifiers/loss"],
  [
    "report/csv.ts",
    'import { x } from "../evaluation/evaluate";',
    "report/ must not import evaluation/evaluate",
  ],
  ["elsewhere/a.ts", 'import { x } from "../errors";', "do not know the folder src/elsewhere/"],
  [
    "cli/main.ts",
    'const file = "../build/Release/hire_snn.node";',
    "Only src/native/ touches the .node file.",
  ],
])("%s may not say %s", async (file, code, message) => {
  expect(await lint(file, code)).toEqual([expect.stringContaining(message)]);
});
