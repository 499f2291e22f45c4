import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Reproduction } from "../../src/reproduction/reproduce";
import { temporaryFolder } from "../support/temporary-folder";
import { runCli } from "./run-cli";

const folder = temporaryFolder();
const minute = 60_000;

test(
  "the demo trains networks that are worth attacking, and leaves the table and the report",
  async () => {
    const out = join(folder, "demo");
    const { code, stdout, stderr } = await runCli(["demo", "--out", out, "--json"]);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stderr).toMatch(/^hire-snn reproduce shapes --resume --out .* --json\n/);
    const { rows, report } = JSON.parse(stdout) as Reproduction;
    expect(rows).toHaveLength(6);
    for (const { figures } of rows) {
      const top1 = (column: keyof typeof figures): number => figures[column].top1;
      expect(top1("clean")).toBeGreaterThan(0.9);
      expect(top1("clean") - top1("fgsm-white")).toBeGreaterThan(0.3);
      expect(top1("pgd-white")).toBeLessThan(top1("fgsm-white"));
      // Another network's images are weaker, and still do something.
      expect(top1("pgd-black")).toBeGreaterThan(top1("pgd-white"));
      expect(top1("fgsm-black")).toBeLessThan(top1("clean"));
    }
    expect(existsSync(report[0] ?? "")).toBe(true);

    const again = await runCli(["demo", "--out", out]);
    expect(again.stdout).toMatch(/HIRE SNN, seed 1 [\s\S]*Report: .*report\.html\n$/);
    expect(again.stderr).not.toContain("epoch 1");
  },
  20 * minute,
);

test("an option that reproduce does not have is refused as there", async () => {
  const { code, stderr } = await runCli(["demo", "--jsno"]);
  expect(code).toBe(2);
  expect(stderr).toContain("unknown option '--jsno'\n(Did you mean --json?)");
});
