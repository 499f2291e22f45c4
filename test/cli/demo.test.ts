import { demo, runCli } from "./run-cli";

test("the demo is an evaluation of the package's own pair, and takes its options", async () => {
  const figures = ["--samples", "16", "--json"];
  const [shown, evaluated] = await Promise.all([
    runCli(["demo", ...figures]),
    runCli(
      [
        ["evaluate", `${demo}/target.pt`, "--source", `${demo}/source.pt`],
        ["--dataset", "shapes", "--data", demo, "--seed", "0", ...figures],
      ].flat(),
    ),
  ]);
  expect(shown.code).toBe(0);
  expect(shown.stderr).toMatch(/^hire-snn evaluate .*target\.pt --source .* --samples 16 --json\n/);
  const resultsOf = (text: string) => (JSON.parse(text) as { results: unknown }).results;
  expect(resultsOf(shown.stdout)).toEqual(resultsOf(evaluated.stdout));
});

test("an option that evaluate does not have is refused as there", async () => {
  const { code, stderr } = await runCli(["demo", "--jsno"]);
  expect(code).toBe(2);
  expect(stderr).toContain("unknown option '--jsno'\n(Did you mean --json?)");
});

test("set-up by the command is the set-up", async () => {
  const { code, stdout, stderr } = await runCli(["setup"]);
  expect([code, stdout]).toEqual([0, ""]);
  expect(stderr).toMatch(/^setup: ready: libtorch 2\.\d+\.\d+\S* \(\d+\.\d s\)\n$/);
  const refused = await runCli(["setup"], { environment: { HIRE_SNN_BUILD: "relative" } });
  expect([refused.code, refused.stderr]).toEqual([
    1,
    'setup: Expected an absolute folder in HIRE_SNN_BUILD but found "relative".\n',
  ]);
});
