import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openCheckpoint } from "../../src/checkpoint/open-checkpoint";
import { describeWithShared } from "../support/shared-folder";
import { containing, errorOf } from "./temporary-folder";

interface ExpectedFile {
  readonly tensors?: Readonly<Record<string, { dtype: string; shape: number[]; sha256: string }>>;
}

/** Files of public repositories, written by many versions of PyTorch. */
describeWithShared("real checkpoints", (shared) => {
  const folder = join(shared, "data", "checkpoints");
  const expected = (): [string, ExpectedFile][] =>
    Object.entries(
      JSON.parse(readFileSync(join(folder, "expected.json"), "utf8")) as Record<string, ExpectedFile>,
    );
  const named = (part: string): string => {
    const name = expected().find(([file]) => file.includes(part))?.[0];
    if (name === undefined) throw new Error(`There is no file ${part} in ${folder}.`);
    return join(folder, name);
  };

  test.each(["legacy", "zip"] as const)(
    "every tensor of every file in the %s form, bit for bit",
    (format) => {
      const files = expected().filter(([name, { tensors }]) => name.startsWith(`${format}/`) && tensors);
      expect(files.length).toBeGreaterThanOrEqual(10);
      for (const [name, { tensors = {} }] of files) {
        using checkpoint = openCheckpoint(join(folder, name));
        expect(checkpoint.format).toBe(format);
        const found = [...checkpoint.tensors].map(([path, { dtype, shape }]) => {
          const hash = createHash("sha256")
            .update(new Uint8Array(checkpoint.read(path).buffer))
            .digest("hex");
          return [path, { dtype, shape, sha256: hash.slice(0, 16) }];
        });
        expect({ name, tensors: Object.fromEntries(found) as unknown }).toEqual({ name, tensors });
        expect(checkpoint.warnings).toEqual([]);
      }
    },
  );

  test("no file of either form is left out of that", () => {
    const known = new Map(expected());
    const others = ["legacy", "zip"].flatMap((form) =>
      readdirSync(join(folder, form))
        .map((name) => `${form}/${name}`)
        .filter((name) => !known.get(name)?.tensors),
    );
    expect(others).toEqual([expect.stringContaining("neuromorphs_NIR__307f523b")]);
    expect(readdirSync(join(folder, "other"))).toHaveLength(3);
  });

  test("a file that names classes outside the allow-list: its tensors are read, the rest is opaque", () => {
    using checkpoint = openCheckpoint(named("neuromorphs_NIR__307f523b"));
    expect(checkpoint.opaqueGlobals).toContain("nir.ir.NIRGraph");
    expect(checkpoint.warnings.join()).toContain("nir.ir.NIRGraph");
    expect(checkpoint.tensors.get("nodes.fc1.weight")?.shape).toEqual([43, 12]);
    expect(checkpoint.read("nodes.fc1.weight")).toHaveLength(43 * 12);
  });

  test.each([
    ["ArielFuentesC", "CHECKPOINT_CORRUPT", "truncated"],
    ["BhaskarMukhoty", "CHECKPOINT_UNSAFE", "torch.storage._load_from_bytes"],
    ["tracel-ai_burn__1463dc0a", "CHECKPOINT_FORMAT", "tar form of PyTorch 0.1"],
  ])("%s is refused as what it is", (part, code, what) => {
    expect(errorOf(() => openCheckpoint(named(part)))).toMatchObject({ code, message: containing(what) });
  });

  test("TorchScript archives of all ages are named", () => {
    const scripts = readdirSync(join(folder, "torchscript"));
    expect(scripts.length).toBeGreaterThan(0);
    for (const script of scripts) {
      expect(errorOf(() => openCheckpoint(join(folder, "torchscript", script)))).toMatchObject({
        code: "CHECKPOINT_FORMAT",
        message: containing("TorchScript"),
      });
    }
  });
});
