import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fourImages, writeRun } from "../report/hand-made-run";
import { temporaryFolder } from "../support/temporary-folder";
import { root, runCli } from "./run-cli";

const folder = temporaryFolder();
const run = join(folder, "run");
beforeAll(() => {
  writeRun(run, fourImages);
});

test("writes the files and says where; --json prints the figures and nothing else", async () => {
  const out = join(folder, "out");
  const plain = await runCli(["report", run, "-o", out, "--title", "My networks"]);
  expect([plain.code, plain.stderr]).toEqual([0, ""]);
  expect(plain.stdout).toContain(join(out, "report.html"));
  for (const name of ["report.html", "report.md", "report.json", join("csv", "accuracy.csv")]) {
    expect(existsSync(join(out, name))).toBe(true);
  }
  expect(readFileSync(join(out, "report.md"), "utf8")).toMatch(/^# My networks\n/);
  const json = await runCli(["report", run, "-o", out, "--json"]);
  expect(JSON.parse(json.stdout)).toEqual(JSON.parse(readFileSync(join(out, "report.json"), "utf8")));
});

test.each([
  ["no folder to write to", ["report", run], 2],
  ["no run", ["report", "-o", join(folder, "x")], 2],
  ["a folder without a run", ["report", join(root, "docs"), "-o", join(folder, "x")], 3],
  ["an absent folder", ["report", join(folder, "absent"), "-o", join(folder, "x")], 1],
])("%s is an error", async (_, args, expected) => {
  const { code, stdout, stderr } = await runCli(args);
  expect([code, stdout]).toEqual([expected, ""]);
  expect(stderr).not.toContain("fault of hire-snn");
  expect(existsSync(join(folder, "x"))).toBe(false);
});

test("loads no native code", () => {
  const script = `
    process.dlopen = () => { throw new Error("loaded native code"); };
    require(${JSON.stringify(join(root, "lib", "cli", "main.js"))}).main(${JSON.stringify(["report", run, "-o", join(folder, "bare")])})
      .then((code) => { process.exitCode = code; });`;
  execFileSync(process.execPath, ["-e", script], { stdio: "pipe" });
  expect(existsSync(join(folder, "bare", "report.html"))).toBe(true);
});
