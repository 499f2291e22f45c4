// libtorch out of PyTorch's official zip, whose SHA-256 is known here.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { download } from "../download.mjs";
import { say, SetupError } from "../report.mjs";
import { unzip } from "../unzip.mjs";

/** Published for this system and processor only; others have wheels. */
export const official = {
  system: "linux x64",
  url: "https://download.pytorch.org/libtorch/cpu/libtorch-shared-with-deps-2.13.0%2Bcpu.zip",
  bytes: 126_385_248,
  sha256: "edbf4cbed78433d803e90a65f1752e57783d164bce66c95c0872b2ab8f5c159e",
};

/** All files lie in one folder of the zip, libtorch/. */
function libtorchPart(path) {
  return path.startsWith("libtorch/") ? path.slice("libtorch/".length) || null : null;
}

export async function fetchZip(folder) {
  const wanted = wantedZip();
  const file = join(folder, "libtorch.zip");
  await download(wanted, file);
  say("unpacking libtorch");
  const root = join(folder, "root");
  await unzip(file, root, libtorchPart);
  rmSync(file);
  return root;
}

/**
 * Which file to download, from where, and what it has to be.
 * @returns {{url: string, sha256: string, bytes?: number}}
 */
export function wantedZip(environment = process.env, system = `${process.platform} ${process.arch}`) {
  const url = environment.HIRE_SNN_LIBTORCH_URL;
  const sha256 = environment.HIRE_SNN_LIBTORCH_SHA256?.toLowerCase();
  if (sha256 && !/^[0-9a-f]{64}$/.test(sha256)) {
    throw new SetupError(`Expected 64 hexadecimal digits in HIRE_SNN_LIBTORCH_SHA256 but found "${sha256}".`);
  }
  if (sha256 && !url) {
    throw new SetupError(
      "HIRE_SNN_LIBTORCH_SHA256 is set without HIRE_SNN_LIBTORCH_URL, the file that it belongs to.",
    );
  }
  // A mirror's own file, for whatever system the user knows it to fit.
  if (sha256) return { url: fileUrl(url), sha256 };
  if (system !== official.system) {
    throw new SetupError(
      `no zip with a known checksum for this system (${system}), only for ${official.system}`,
    );
  }
  return { ...official, url: url ? fileUrl(url) : official.url };
}

/** A mirror is named by the file itself, or by the folder in which it has its official name. */
function fileUrl(text) {
  let url;
  try {
    url = new URL(text);
  } catch {
    throw new SetupError(`Expected a URL in HIRE_SNN_LIBTORCH_URL but found "${text}".`);
  }
  if (url.pathname.endsWith(".zip")) return url.href;
  url.pathname = `${url.pathname.replace(/\/$/, "")}/${official.url.split("/").at(-1)}`;
  return url.href;
}
