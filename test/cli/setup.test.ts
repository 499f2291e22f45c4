import { runCli } from "./run-cli";

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
