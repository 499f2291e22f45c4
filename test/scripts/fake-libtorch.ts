import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** The files by which a folder is known as a libtorch, empty where only their presence counts. */
export function fakeLibtorchFiles(version: string | null): Record<string, string> {
  const suffix = process.platform === "darwin" ? ".dylib" : ".so";
  return {
    "include/torch/csrc/api/include/torch/torch.h": "",
    "include/ATen/ATen.h": "",
    "include/c10/core/Device.h": "",
    [`lib/libc10${suffix}`]: "",
    [`lib/libtorch_cpu${suffix}`]: "",
    [`lib/libtorch${suffix}`]: "",
    ...(version === null ? {} : { "build-version": `${version}\n` }),
  };
}

/** @param files contents by path; null leaves out a file that {@link fakeLibtorchFiles} would make */
export function makeFakeLibtorch(
  root: string,
  version: string | null = "2.13.0+cpu",
  files: Record<string, string | null> = {},
): string {
  for (const [path, content] of Object.entries({ ...fakeLibtorchFiles(version), ...files })) {
    if (content === null) continue;
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}
