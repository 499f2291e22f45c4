import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { arch, availableParallelism, cpus, freemem, platform, release, totalmem } from "node:os";

/** What a machine has that decides how fast the package computes. */
export interface Machine {
  readonly platform: string;
  readonly processor: string;
  /** Of those that kernels are written for, what the processor has; null where the system does not say. */
  readonly instructionSets: readonly string[] | null;
  readonly cores: number;
  /** What this process may use of them. */
  readonly usableCores: number;
  readonly memoryBytes: number;
  readonly freeMemoryBytes: number;
  /** NVIDIA's, as its driver names them; empty without a driver. */
  readonly gpus: readonly string[];
}

/** Names as Linux writes them in /proc/cpuinfo (x86: flags, ARM: Features). */
const known = [
  ["sse4_1", "sse4_2", "avx", "f16c", "fma", "avx2", "avx512f", "avx512bw", "avx512dq", "avx512vl"],
  ["avx512_vnni", "avx512_bf16", "amx_int8", "asimd", "sve", "sve2", "bf16"],
].flat();

export async function describeMachine(): Promise<Machine> {
  return {
    platform: `${platform()} ${arch()} ${release()}`,
    processor: cpus()[0]?.model.trim() ?? "unknown",
    instructionSets: instructionSets(),
    cores: cpus().length,
    usableCores: availableParallelism(),
    memoryBytes: totalmem(),
    freeMemoryBytes: freemem(),
    gpus: await gpus(),
  };
}

function instructionSets(): string[] | null {
  try {
    const line = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1];
    const has = new Set(line?.split(/\s+/));
    return line === undefined ? null : known.filter((name) => has.has(name));
  } catch {
    return null;
  }
}

function gpus(): Promise<string[]> {
  const args = ["--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"];
  return new Promise((resolve) => {
    execFile("nvidia-smi", args, { timeout: 10_000 }, (error, stdout) => {
      resolve(error ? [] : stdout.split("\n").flatMap((line) => line.trim() || []));
    });
  });
}
