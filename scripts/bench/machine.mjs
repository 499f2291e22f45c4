// The machine that figures belong to.
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";

const notable = ["avx2", "fma", "avx512f", "avx512vl", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8"];

export function describeMachine() {
  let info = "";
  try {
    info = readFileSync("/proc/cpuinfo", "utf8");
  } catch {
    // No Linux: the model's name has to do.
  }
  const field = (name) => new RegExp(`^${name}\\s*:\\s*(.+)$`, "m").exec(info)?.[1] ?? null;
  const flags = new Set((field("flags") ?? "").split(" "));
  return {
    cpu: cpus()[0].model.trim(),
    // Virtual machines give many CPUs one name; family, model and stepping still tell them apart.
    family: field("cpu family"),
    model: field("model"),
    stepping: field("stepping"),
    cores: availableParallelism(),
    cache: field("cache size"),
    instructionSets: notable.filter((name) => flags.has(name)),
    memoryBytes: totalmem(),
    system: `${process.platform} ${process.arch} ${release()}`,
    loadBefore: loadavg()[0],
  };
}
