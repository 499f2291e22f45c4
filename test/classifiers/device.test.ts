import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadClassifier } from "../../src/classifiers/load-classifier";
import { loadTorchScript } from "../../src/classifiers/load-torchscript";
import { crossEntropy } from "../../src/classifiers/loss";
import { HireSnnError } from "../../src/errors";
import { Tensor } from "../../src/tensor/tensor";
import { temporaryFolder } from "../support/temporary-folder";
import { forward, scriptArchive } from "../support/torchscript";

const folder = temporaryFolder();
const checkpoint = join(__dirname, "..", "..", "examples", "demo", "target.pt");

describe("the device of a classifier", () => {
  test("is the CPU unless another is named", async () => {
    using classifier = await loadClassifier(checkpoint);
    expect(classifier.device).toBe("cpu");
  });

  test("cuda computes what the CPU does, or is refused with the way out", async () => {
    const loaded = await loadClassifier(checkpoint, { device: "cuda" }).catch((error: unknown) => error);
    if (loaded instanceof Error) {
      expect(loaded).toBeInstanceOf(HireSnnError);
      expect(loaded).toMatchObject({ code: "DEVICE_UNAVAILABLE" });
      expect(loaded.message).toMatch(/HIRE_SNN_LIBTORCH|NVIDIA driver|GPU/);
      return;
    }
    using onGpu = loaded as Awaited<ReturnType<typeof loadClassifier>>;
    using onCpu = await loadClassifier(checkpoint);
    const shape = [3, ...onCpu.inputShape];
    const pixels = shape.reduce((a, b) => a * b, 1);
    using images = Tensor.from(
      Float32Array.from({ length: pixels }, (_, i) => ((i * 37) % 101) / 100),
      shape,
    );
    using gpuLogits = await onGpu.logits(images);
    using cpuLogits = await onCpu.logits(images);
    const expected = await cpuLogits.data();
    (await gpuLogits.data()).forEach((logit, i) => {
      expect(logit).toBeCloseTo(expected[i] as number, 3);
    });
  });

  test("a TorchScript program on cuda computes what it does on the CPU, or is refused with the way out", async () => {
    const path = join(folder, "squares.ts.pt");
    writeFileSync(path, scriptArchive({ methods: forward("return torch.sum(torch.mul(x, x), [2, 3])") }));
    const use = { inputShape: [4, 2, 2] as const, mean: [0, 0, 0, 0], std: [1, 1, 1, 1] };
    const loaded = await loadTorchScript(path, { ...use, device: "cuda" }).catch((error: unknown) => error);
    if (loaded instanceof Error) {
      expect(loaded).toMatchObject({ code: "DEVICE_UNAVAILABLE" });
      expect(loaded.message).toMatch(/HIRE_SNN_LIBTORCH|NVIDIA driver|GPU/);
      return;
    }
    using onGpu = loaded as Awaited<ReturnType<typeof loadTorchScript>>;
    using onCpu = await loadTorchScript(path, use);
    expect([onGpu.device, onCpu.device]).toEqual(["cuda", "cpu"]);
    using images = Tensor.from(
      Float32Array.from({ length: 48 }, (_, i) => ((i * 37) % 101) / 100),
      [3, 4, 2, 2],
    );
    const onEach = await Promise.all(
      [onGpu, onCpu].map(async (classifier) => {
        const { gradient, losses, logits } = await classifier.inputGradient(images, crossEntropy([0, 1, 2]));
        return Promise.all([gradient.data(), losses.data(), logits.data()]);
      }),
    );
    const [gpu, cpu] = onEach.map((parts) => parts.flatMap((part) => [...part]));
    gpu?.forEach((value, i) => {
      expect(value).toBeCloseTo(cpu?.[i] as number, 5);
    });
  });

  test.each(["gpu", "cuda:", "cuda:-1", "cuda:x"])("%s is refused", async (device) => {
    await expect(loadClassifier(checkpoint, { device: device as "cuda" })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("cuda:N") as string,
    });
  });

  test("a GPU computes in float32 and with no engine of the CPU", async () => {
    await expect(loadClassifier(checkpoint, { device: "cuda", dtype: "float64" })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("float32") as string,
    });
    await expect(
      loadClassifier(checkpoint, { device: "cuda", kernels: { engine: "plain" } }),
    ).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});
