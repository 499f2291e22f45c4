import { join } from "node:path";
import { openCheckpoint } from "../../src/checkpoint/open-checkpoint";
import { dict, legacyFile, list, integer, storage, tensor } from "../checkpoint/mini-pickler";
import { temporaryFolder as inputFolder } from "../checkpoint/temporary-folder";
import { temporaryFolder } from "../support/temporary-folder";
import { runCli } from "./run-cli";

const inputs = inputFolder();
const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);
let file: string;
beforeAll(() => {
  const weight = tensor(storage("0", 2), [2]);
  file = inputs.write(
    "net.pt",
    legacyFile(
      dict(
        ["state_dict", dict(["w", weight])],
        ["optimizer", list(dict(["m", weight]))],
        ["epoch", integer(3)],
      ),
      {
        0: Float32Array.of(1, 2),
      },
    ),
  );
});

test("by the ending, by --zip, with another type; and what was written is said", async () => {
  const stream = await runCli(["convert", file, at("a.pt"), "--dtype", "bfloat16"]);
  expect(stream).toMatchObject({ code: 0, stderr: "" });
  expect(stream.stdout).toMatch(
    /^.*a\.pt: legacy, 1 tensors, \d+ bytes\n.*a\.optimizer\.pt: legacy, 1 tensors, .* bytes\n$/,
  );
  using checkpoint = openCheckpoint(at("a.pt"));
  expect(checkpoint.tensors.get("state_dict.w")?.dtype).toBe("bfloat16");

  expect((await runCli(["convert", file, at("b.pt"), "--zip"])).stdout).toContain("b.pt: zip");
  const safe = await runCli(["convert", file, at("c.safetensors")]);
  expect(safe.stdout).toMatch(/c\.safetensors: safetensors, 1 tensors[^]*Left out: epoch\n$/);
  expect((await runCli(["inspect", at("c.safetensors")])).stdout).toContain("safetensors file");
  expect(
    (await runCli(["convert", at("c.safetensors"), at("d.safetensors"), "--format", "legacy"])).stdout,
  ).toContain("d.safetensors: legacy");
});

test("files that are there need --force", async () => {
  expect((await runCli(["convert", file, at("e.pt")])).code).toBe(0);
  const again = await runCli(["convert", file, at("e.pt")]);
  expect(again.code).toBe(2);
  expect(again.stderr).toContain("e.pt is there already");
  expect((await runCli(["convert", file, at("e.pt"), "--zip", "--force"])).stdout).toContain("e.pt: zip");
});

test.each([
  [["--zip", "--format", "safetensors"], "one form"],
  [["--format", "onnx"], "legacy, zip, safetensors"],
  [["--dtype", "int8"], "float64, float32, float16, bfloat16"],
])("%j is a usage error", async (options, message) => {
  const { code, stderr } = await runCli(["convert", file, at("f.pt"), ...options]);
  expect(code).toBe(2);
  expect(stderr).toContain(message);
});

test("--zip for a name that says safetensors is one, too; a file that is refused is not", async () => {
  expect((await runCli(["convert", file, at("g.safetensors"), "--zip"])).code).toBe(2);
  const refused = await runCli(["convert", inputs.write("no.pt", "hello"), at("h.pt")]);
  expect(refused).toMatchObject({ code: 3, stdout: "" });
});
