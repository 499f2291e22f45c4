import { Command } from "commander";
import { registerInspect } from "../../src/cli/inspect";
import type { Inspection } from "../../src/networks/inspect-checkpoint";
import { annTwin } from "../../src/networks/network";
import { parseNetwork } from "../../src/networks/network-text";
import { ascii, dict, integer, legacyFile, storage, tensor, text } from "../checkpoint/mini-pickler";
import { temporaryFolder } from "../checkpoint/temporary-folder";
import { networkFileContent } from "../networks/state-dicts";

const folder = temporaryFolder();
const layers = "4,A,8/16,10@3x16x16";
const content = networkFileContent(parseNetwork(layers), { wrap: true });

/** What the command prints. */
async function inspect(...args: string[]): Promise<string> {
  const printed: string[] = [];
  const write = jest.spyOn(process.stdout, "write").mockImplementation((chunk) => {
    printed.push(String(chunk));
    return true;
  });
  try {
    const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
    registerInspect(program);
    await program.parseAsync(["inspect", ...args], { from: "user" });
  } finally {
    write.mockRestore();
  }
  return printed.join("");
}

test("as text: form, network, layers, tensors and the rest, without colours where there is no terminal", async () => {
  const output = await inspect(folder.write("net_tstep5.pt", content), "--network", layers);
  expect(output).toContain("legacy stream");
  expect(output).toContain('weights under state_dict, a leading "module." removed');
  expect(output).toContain(`${layers}, as asked for: 10 classes, input 3x16x16`);
  expect(output).toContain("5 time steps (from: file name), direct coding,");
  expect(output).toMatch(/conv2\W+\[8, 4, 3, 3\]\W+\[8, 8, 8\]\W+1\W+0.5\W+18,432/);
  expect(output).toMatch(/state_dict.module.leak.l6\W+float32\W+\[\]\W+cuda:0/);
  expect(output).toMatch(/epoch\W+7/);
  expect(output).not.toContain("\x1b");
});

test("as JSON, which is all that stands on stdout", async () => {
  const path = folder.write("net.pt", content);
  expect(JSON.parse(await inspect(path, "--network", layers, "--timesteps", "3", "--json"))).toMatchObject({
    schemaVersion: 1,
    file: path,
    size: content.length,
    format: "legacy",
    stateDict: { path: "state_dict", modulePrefix: true },
    extras: [
      { path: "epoch", value: 7 },
      { path: "arch", value: "x" },
    ],
    network: {
      name: layers,
      from: "option",
      timesteps: { timesteps: 3, from: "option" },
      layers: [
        { name: "conv1", weightShape: [4, 3, 3, 3], threshold: 1, leak: 0.5 },
        { name: "pool1", macs: 0 },
        { name: "conv2" },
        { name: "linear1" },
        { name: "output" },
      ],
    },
    opaqueGlobals: [],
  });
});

test("the coding that the network file says", async () => {
  const path = folder.write("rate.pt", content);
  folder.write(
    "rate.network.json",
    Buffer.from(JSON.stringify({ network: layers, timesteps: 20, coding: "rate" })),
  );
  expect(await inspect(path)).toContain("20 time steps (from: network file), rate coding,");
  const { network } = JSON.parse(await inspect(path, "--json")) as Inspection;
  expect(network).toMatchObject({ from: "network file", coding: "rate" });
});

test("a residual network: what is added to a layer's sums stands beside its weights", async () => {
  const residual = "4,A,R8,R16/10@3x16x16";
  const path = folder.write("residual.pt", networkFileContent(parseNetwork(residual), { wrap: true }));
  const output = await inspect(path, "--network", residual);
  expect(output).toMatch(/layer1\.0\.conv2\W+\[8, 8, 3, 3\] \+ \[8, 4, 1, 1\] of pool1\W+\[8, 8, 8\]/);
  expect(output).toMatch(/layer2\.0\.conv1\W+\[16, 8, 3, 3\]\W+\[16, 4, 4\]/);
  const { network } = JSON.parse(await inspect(path, "--network", residual, "--json")) as Inspection;
  expect(network?.layers[5]).toMatchObject({
    name: "layer2.0.conv2",
    shortcut: { from: "layer1.0.conv2", weightShape: [16, 8, 1, 1] },
    macs: (16 * 16 * 9 + 16 * 8) * 16,
  });
});

test("an ANN twin has neither thresholds, nor leaks, nor time steps", async () => {
  const path = folder.write("ann_tstep5.pt", networkFileContent(annTwin(parseNetwork(layers))));
  const output = await inspect(path, "--network", layers);
  expect(output).toContain("An ANN: rectified linear units, neither thresholds nor leaks; ");
  expect(output).not.toContain("time steps");
  const { network } = JSON.parse(await inspect(path, "--network", layers, "--json")) as Inspection;
  expect(network).toMatchObject({ neurons: "relu", layers: [{ name: "conv1" }, {}, {}, {}, {}] });
  expect(network).not.toHaveProperty("timesteps");
});

test("a checkpoint of no known network is listed, and why it is not recognised", async () => {
  const path = folder.write("other.pt", content);
  const output = await inspect(path);
  expect(output).toContain("No network:");
  expect(output).toContain("The nearest:");
  expect(output).toContain("state_dict.module.features.0.weight");
  const { network, networkProblem } = JSON.parse(await inspect(path, "--json")) as Inspection;
  expect(network).toBeUndefined();
  expect(networkProblem?.code).toBe("NETWORK_UNKNOWN");
});

test("a network that was named and is not there is an error", async () => {
  const path = folder.write("named.pt", content);
  await expect(inspect(path, "--network", "VGG5")).rejects.toMatchObject({ code: "NETWORK_INVALID" });
});

test("a file that is refused", async () => {
  await expect(inspect(folder.write("no.pt", "hello"))).rejects.toMatchObject({ code: "CHECKPOINT_FORMAT" });
  await expect(inspect("/nowhere/x.pt")).rejects.toMatchObject({ code: "IO" });
});

test("time steps that are no whole number are a usage error", async () => {
  await expect(inspect("x.pt", "--timesteps", "2.5")).rejects.toMatchObject({
    code: "commander.invalidArgument",
  });
});

test("names in a file cannot steer the terminal, and numbers beyond JSON become text", async () => {
  const object = dict(
    ["\x1b[2Jname", tensor(storage("0", 1), [1])],
    ["large", integer(2n ** 60n)],
    ["nan", [ascii("G"), Uint8Array.of(0x7f, 0xf8, 0, 0, 0, 0, 0, 0)]],
    ["text", text("a\nb\x07")],
  );
  const path = folder.write("odd.pt", legacyFile(object, { 0: Float32Array.of(1) }));
  const output = await inspect(path);
  expect(output).toContain("\\x1b[2Jname");
  expect(output).toContain('"a\\nb\\x07"');
  expect(output).not.toMatch(/(?!\n)\p{Cc}/u);
  const { extras } = JSON.parse(await inspect(path, "--json")) as Inspection;
  expect(extras.map(({ value }) => value)).toEqual([String(2n ** 60n), "NaN", "a\nb\x07"]);
});
