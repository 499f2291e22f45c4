import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { buildFolder } from "../../src/native/installation";
import { packageVersion } from "../../src/version";
import { temporaryFolder } from "../support/temporary-folder";

const folder = temporaryFolder();
const root = join(__dirname, "..", "..");

/** What a process that loads the addon says, with a build folder named for it. */
function load(build: string): string {
  const program = `const { runtimeIdentity } = require(${JSON.stringify(root)});
    try { console.log("libtorch", runtimeIdentity().libtorch); } catch (error) { console.log(error.code, error.message); }`;
  const { stdout } = spawnSync(process.execPath, ["-e", program], {
    encoding: "utf8",
    // Sanitized tests name an addon of their own, which would be loaded whatever the folder.
    env: { ...process.env, HIRE_SNN_ADDON: undefined, HIRE_SNN_BUILD: build },
  });
  return stdout;
}

test("the set-up and the loader agree on the folder of the build", async () => {
  const project = await import("../../scripts/setup/project.mjs");
  expect(project.buildFolder).toBe(buildFolder());
  expect(buildFolder({ HIRE_SNN_BUILD: "/builds" })).toBe(`/builds/hire-snn-${packageVersion()}`);
});

test("the addon is loaded from the folder that HIRE_SNN_BUILD names, if this version's is there", () => {
  const own = join(folder, `hire-snn-${packageVersion()}`);
  expect(load(folder)).toContain(
    `ADDON_UNAVAILABLE Expected the addon at ${join(own, "Release", "hire_snn.node")} but there is none.`,
  );
  mkdirSync(own);
  symlinkSync(join(root, "build", "Release"), join(own, "Release"));
  expect(load(folder)).toMatch(/^libtorch 2\.\d+\.\d+/);
});

test("a relative folder is refused: it would be another one in every current folder", () => {
  expect(load("builds")).toBe(
    'INVALID_ARGUMENT Expected an absolute folder in HIRE_SNN_BUILD but found "builds"\n',
  );
});
