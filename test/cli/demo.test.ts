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
