import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isTorchScript, readTorchScriptArchive } from "../../src/checkpoint/torchscript-archive";
import { makeZip } from "../support/make-zip";
import { describeWithShared } from "../support/shared-folder";
import { forward, scriptArchive } from "../support/torchscript";
import { ascii, bytes, joined } from "./mini-pickler";
import { containing, errorOf, temporaryFolder } from "./temporary-folder";

const folder = temporaryFolder();

test("methods, operators, tensors and extra files are read, and nothing is run", () => {
  const path = folder.write(
    "net.pt",
    scriptArchive({
      methods: forward(
        "h = torch.linear(x, self.weight)",
        "_0 = __torch__.torch.nn.functional.linear(h, h)",
        "print(h)",
        "return torch.add(torch.linear(h, self.weight), ops.quantized.linear_dynamic(h, h))",
      ),
      tensors: { weight: { values: [1, 2, 3, 4], shape: [2, 2] } },
      extraFiles: { "hire-snn.json": "{}", note: "hello" },
    }),
  );
  const archive = readTorchScriptArchive(path);
  expect(archive).toMatchObject({
    ...{ path, version: 3, mobile: false, methods: ["forward(x: Tensor) -> Tensor"], warnings: [] },
    operators: [
      { name: "aten::linear", calls: 2 },
      { name: "aten::add", calls: 1 },
      { name: "prim::print", calls: 1 },
      { name: "quantized::linear_dynamic", calls: 1 },
    ],
    code: { files: 1 },
  });
  expect([...archive.tensors]).toEqual([["weight", { dtype: "float32", shape: [2, 2], device: "cpu" }]]);
  expect([...archive.extraFiles].map(([name, content]) => [name, Buffer.from(content).toString()])).toEqual([
    ["hire-snn.json", "{}"],
    ["note", "hello"],
  ]);
  expect(isTorchScript(path)).toBe(true);
});

test.each([
  ['torch.save(x, "a")', "aten::save, which writes a file"],
  ['torch.from_file("a", False, 1)', "aten::from_file, which maps a file"],
  ['ops.image.read_file("a")', "image::read_file, which reads a file"],
  ["rpc_async(x)", "prim::rpc_async, which calls other machines"],
  ["ops.c10d.allreduce_(x)", "c10d::allreduce_, which talks to other processes"],
])("%s is warned of", (call, what) => {
  const path = folder.write("reaching.pt", scriptArchive({ methods: forward(`_0 = ${call}`, "return x") }));
  expect(readTorchScriptArchive(path).warnings).toEqual([containing(what)]);
});

test("files that are no archive of it", () => {
  const text = folder.write("text.pt", "hello");
  const zip = folder.write("other.zip", makeZip([{ name: "a/data.pkl", content: "x" }]));
  const cut = folder.write("cut.pt", scriptArchive({ methods: forward("return x") }).subarray(0, 200));
  for (const path of [text, zip, cut]) expect(isTorchScript(path)).toBe(false);
  expect(errorOf(() => readTorchScriptArchive(text))).toMatchObject({ code: "CHECKPOINT_FORMAT" });
  expect(errorOf(() => readTorchScriptArchive(cut))).toMatchObject({ code: "CHECKPOINT_CORRUPT" });
  expect(errorOf(() => isTorchScript("/nowhere/net.pt"))).toMatchObject({ code: "IO" });
});

test("code that unpacks to more than it says, or to more than any archive's, is refused", () => {
  const archive = (code: Buffer): Buffer =>
    makeZip([
      { name: "net/data.pkl", content: joined(bytes(0x80, 2), ascii("N.")), stored: true },
      { name: "net/code/__torch__.py", content: code },
    ]);
  const bomb = archive(Buffer.alloc(100 * 2 ** 20, " "));
  expect(errorOf(() => readTorchScriptArchive(folder.write("bomb.pt", bomb)))).toMatchObject({
    code: "CHECKPOINT_CORRUPT",
    message: containing("fewer than"),
  });
  // Both headers say 50 bytes where there are 5,000.
  const lying = archive(Buffer.alloc(5000, " "));
  for (let at = lying.indexOf("__torch__.py"); at >= 0; at = lying.indexOf("__torch__.py", at + 1)) {
    const header = lying.lastIndexOf("PK", at);
    lying.writeUInt32LE(50, header + (lying[header + 2] === 1 ? 24 : 22));
  }
  expect(errorOf(() => readTorchScriptArchive(folder.write("lying.pt", lying)))).toMatchObject({
    code: "CHECKPOINT_CORRUPT",
    message: containing("cannot be unpacked"),
  });
});

describeWithShared("real TorchScript archives", (shared) => {
  const scripts = join(shared, "data", "checkpoints", "torchscript");

  test("of all ages are recognised, and their methods are those that PyTorch lists", () => {
    const expected = JSON.parse(
      readFileSync(join(shared, "data", "checkpoints", "torchscript_expected.json"), "utf8"),
    ) as Record<string, { methods?: string[] }>;
    expect(Object.keys(expected).sort()).toEqual(readdirSync(scripts).sort());
    for (const [name, { methods }] of Object.entries(expected)) {
      const path = join(scripts, name);
      expect(isTorchScript(path)).toBe(true);
      if (methods) {
        const found = readTorchScriptArchive(path).methods.map((method) => method.replace(/\(.*/, ""));
        expect({ name, found }).toEqual({ name, found: methods });
      } else {
        expect(errorOf(() => readTorchScriptArchive(path))).toMatchObject({
          code: "CHECKPOINT_FORMAT",
          message: containing("PyTorch 1.0"),
        });
      }
    }
  });

  test("the mobile form is named, and quantised operators are counted", () => {
    const mobile = readdirSync(scripts).find((name) => name.endsWith(".ptl"))!;
    const { mobile: isMobile, operators } = readTorchScriptArchive(join(scripts, mobile));
    expect(isMobile).toBe(true);
    expect(operators.map(({ name }) => name)).toContain("quantized::linear_dynamic");
  });
});
