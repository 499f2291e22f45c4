// The results as Markdown.
import { contenders } from "./contenders.mjs";
import { ratioOf } from "./statistics.mjs";

/** What the multi-step engine set out to reach, against the original and against the fastest peer. */
const goals = {
  dense: { forward: [9, 5], step: [6, 4], protocol: 6 },
  /** At lower thresholds, half of it. */
  denser: { forward: [4.5, 2.5], step: [3, 2] },
};

const labels = Object.fromEntries(contenders.map(({ id, label }) => [id, label]));

export function markdown(results) {
  const { machine, failures, rows } = results;
  const sections = [
    `# Benchmark: ${machine.cpu}, ${results.startedAt.slice(0, 10)}`,
    `\`${results.command}\`${results.quick ? ": **a trial of the benchmark, its figures mean nothing**" : ""}`,
    failures.length > 0
      ? `**${failures.length} of the checks failed; the figures below are not to be quoted.**\n\n` +
        failures.map((failure) => `- ${failure}`).join("\n")
      : "The checks of the peers against each other held.",
    describe(results),
    ...rows.flatMap((row, index) => describeRow(row, index)),
    ...(results.profile ?? []).map((profile) => describeProfile(profile, machine)),
    results.factors && describeFactors(results.factors),
    results.memory && describeMemory(results.memory),
    results.timer && describeTimer(results.timer),
  ];
  return `${sections.filter(Boolean).join("\n\n")}\n`;
}

function describe({ machine, missing, commit, seconds, instructions }) {
  const { versions, peakGflops } = machine;
  const kind = [machine.family, machine.model, machine.stepping].every(Boolean)
    ? ` (family ${machine.family}, model ${machine.model}, stepping ${machine.stepping})`
    : "";
  const peaks = Object.entries(peakGflops).map(([threads, gflops]) => `${gflops.toFixed(0)} on ${threads}`);
  const lines = [
    `Machine: ${machine.cpu}${kind}, ${machine.cores} cores, ${gigabytes(machine.memoryBytes)}, ${machine.system}; ` +
      `${machine.instructionSets.join(", ")}. Load ${machine.loadBefore.toFixed(2)} before.`,
    `Peak: ${peaks.join(", ")} threads, GFLOP/s (float32 product of 4096 x 4096 in PyTorch, the best of six).`,
    `Versions: hire-snn ${commit ?? "(no git)"}; Node ${versions.node}, libtorch ${versions.libtorch}; Python ${versions.python}, ` +
      `PyTorch ${versions.torch} (${versions.torchCapability}; ${versions.onednn}), NumPy ${versions.numpy}, ` +
      `SpikingJelly ${versions.spikingjelly ?? "none"}, torchattacks ${versions.torchattacks ?? "none"}.`,
    ...(instructions ? [`hire-snn uses ${instructions}, not the best instructions of the machine.`] : []),
    "Images: CIFAR-100, test part, from the first on. All sleep while they wait for threads (OMP_WAIT_POLICY=passive).",
    `The run took ${(seconds / 60).toFixed(1)} minutes.`,
  ];
  for (const [name, reason] of Object.entries(missing)) lines.push(`**Left out: ${name}**: ${reason}`);
  return lines.join("\n\n");
}

function describeRow(row, index) {
  const parts = [
    `## ${row.checkpoint.what}; T = ${row.timesteps}, batch ${row.batch}, ${row.threads} threads`,
    describeRates(row.rates),
    row.times && describeTimes(row),
    row.times && describeGoals(row, index),
    row.sanity &&
      `(a) / (b eager): ${Object.entries(row.sanity)
        .map(([what, { found, least, most }]) => `${what} ${found.toFixed(2)} (expected ${least} to ${most})`)
        .join(", ")}.`,
    row.parity && describeParity(row.parity),
    row.protocol && describeProtocol(row.protocol),
  ];
  const notes = Object.entries(row.how).map(([id, how]) => `- ${labels[id]}: ${how}`);
  const out = Object.entries(row.out).map(([id, reason]) => `- **${labels[id]} is missing**: ${reason}`);
  if (notes.length + out.length > 0) parts.push([...notes, ...out].join("\n"));
  return parts.filter(Boolean);
}

function describeRates(layers) {
  const spiking = layers.filter(({ kind }) => kind !== "average-pool");
  if (spiking.length === 0) return null;
  const fired = spiking.reduce((sum, { rate, neurons }) => sum + rate * neurons, 0);
  const neurons = spiking.reduce((sum, layer) => sum + layer.neurons, 0);
  const mean = spiking.reduce((sum, { rate }) => sum + rate, 0) / spiking.length;
  return (
    `Spikes per neuron and time step, % (of a pool: outputs that are not zero): ` +
    `${layers.map(({ name, rate }) => `${name} ${percent(rate)}`).join(", ")}; mean of the layers ${percent(mean)}, ` +
    `of the neurons ${percent(fired / neurons)}.`
  );
}

function describeTimes({ times, ratios }) {
  const rows = contenders
    .filter(({ id }) => times[id])
    .map(({ id, label }) => [
      label,
      ...["forward", "step"].flatMap((what) => [
        interval(times[id][what], seconds),
        ratios[id] ? interval(ratios[id][what], multiple) : "",
      ]),
    ]);
  return table(["", "forward, s", "of (d)", "PGD step, s", "of (d)"], rows);
}

function describeGoals(row, index) {
  const own = row.seconds["hire-snn"];
  if (!own || !row.seconds.reference) return null;
  const wanted = index === 0 ? goals.dense : goals.denser;
  const lines = ["forward", "step"].map((what) => {
    const [original, peer] = wanted[what];
    const against = row.fastestPeer[what];
    const first = ratioOf(row.seconds.reference[what], own[what]).median;
    const second = against && ratioOf(row.seconds[against][what], own[what]).median;
    return (
      `- ${what}: ${multiple(first)} against (a) (goal ${original}${first >= original ? "" : ", missed"})` +
      (against
        ? `, ${multiple(second)} against the fastest of (b) and (c), ${labels[against]} (goal ${peer}${second >= peer ? "" : ", missed"})`
        : "")
    );
  });
  return ["Medians of the rounds' ratios:", "", ...lines].join("\n");
}

function describeParity({ neuronSteps, contenders: compared }) {
  const rows = Object.entries(compared).map(([id, found]) => [
    labels[id],
    found.flips === undefined ? "" : `${found.flips} (${(100 * found.share).toFixed(3)} % of the spikes)`,
    found.logitDifference?.toExponential(1) ?? "",
    found.signs === undefined ? "" : `${found.signs} of ${found.pixels}`,
    found.failures.length === 0 ? "yes" : found.failures.join("; "),
  ]);
  return (
    `Against (a), over ${neuronSteps} neuron steps:\n\n` +
    table(
      ["", "differing spikes", "logits, of the largest", "differing gradient signs", "within the limits"],
      rows,
    )
  );
}

function describeProtocol(protocol) {
  const own = protocol["hire-snn"]?.seconds;
  const rows = Object.entries(protocol).map(([id, found]) => [
    labels[id],
    found.seconds.toFixed(1),
    own ? multiple(found.seconds / own) : "",
    Object.entries(found.correct)
      .map(([attack, count]) => `${attack} ${count}`)
      .join(", "),
    found.by,
  ]);
  const goal = own && protocol.reference && protocol.reference.seconds / own >= goals.dense.protocol;
  return (
    `White-box protocol on 32 images, once (clean, FGSM, PGD-7, each evaluated)` +
    `${goal === undefined ? "" : `; goal ${goals.dense.protocol} against (a)${goal ? "" : ", missed"}`}:\n\n` +
    table(["", "s", "of (d)", "correct of 32", "attacks by"], rows)
  );
}

function describeProfile({ checkpoint, timesteps, batch, threads, layers }, { peakGflops }) {
  const peak = peakGflops[String(threads)];
  const share = (gflops) =>
    Number.isFinite(gflops) ? `${gflops.toFixed(0)} (${percent(gflops / peak)} %)` : "";
  const rows = layers.map((layer) => [
    layer.name,
    `${percent(layer.density)} %`,
    layer.forward,
    milliseconds(layer.forwardSeconds),
    share(layer.forwardGflops),
    layer.backward,
    milliseconds(layer.backwardSeconds),
    share(layer.backwardGflops),
  ]);
  const total = (key) => milliseconds(layers.reduce((sum, layer) => sum + layer[key], 0));
  rows.push(["sum", "", "", total("forwardSeconds"), "", "", total("backwardSeconds"), ""]);
  return (
    `## Layers of (d): ${checkpoint}; T = ${timesteps}, batch ${batch}, ${threads} threads\n\n` +
    "GFLOP/s are those of a dense network that computes every layer at every time step, and their share is of the measured peak: " +
    "above 100 % is work that was skipped.\n\n" +
    table(
      ["layer", "input density", "forward", "ms", "GFLOP/s (of peak)", "backward", "ms", "GFLOP/s (of peak)"],
      rows,
    )
  );
}

function describeFactors(factors) {
  const rows = factors.map(({ what, network, timesteps, batch, threads, forward, step }) => [
    what,
    `${network}, T = ${timesteps}, batch ${batch}, ${threads} threads`,
    interval(forward, seconds),
    interval(step, seconds),
    (batch / step.median).toFixed(1),
  ]);
  return `## (d) alone, one factor varied\n\n${table(["", "", "forward, s", "PGD step, s", "steps x images / s"], rows)}`;
}

function describeMemory(memory) {
  const share = memory.peakBytes / memory.layersPeakBytes;
  const rows = [
    ["(b) eager, a PGD step, peak", megabytes(memory.layersPeakBytes), ""],
    ["(d), a PGD step, peak", megabytes(memory.peakBytes), `${percent(share)} % of (b)'s (goal: below 50)`],
    [`(d), after ${memory.steps} more steps, peak`, megabytes(memory.peakBytesAfterMore), "goal: no more"],
    [`(d), an attack of ${memory.steps} steps in one call, peak`, megabytes(memory.peakBytesOfOneAttack), ""],
    [
      "(d), growth by loading",
      megabytes(memory.loadedBytes),
      `${memory.loadedRatio.toFixed(2)} times the checkpoint (goal: at most 2.5)`,
    ],
    ["checkpoint", megabytes(memory.checkpointBytes), ""],
  ];
  return `## Memory, batch ${memory.batch}\n\nResident, each in a process of its own.\n\n${table(["", "MiB", ""], rows)}`;
}

function describeTimer({ batch, steps, seconds: total, ticks, latestMilliseconds }) {
  return (
    `## Event loop\n\nDuring ${steps} PGD steps at batch ${batch} (${total.toFixed(1)} s), a timer of 10 ms was at most ` +
    `${latestMilliseconds.toFixed(1)} ms late, in ${ticks} ticks (goal: at most 50).`
  );
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, column) => (column === 0 ? "---" : "---:"));
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}

const seconds = (value) => (value < 0.1 ? value.toFixed(4) : value.toFixed(3));
const multiple = (value) => `${value.toFixed(2)}x`;
const milliseconds = (value) => (1000 * value).toFixed(1);
const percent = (share) => (100 * share).toFixed(1);
const megabytes = (bytes) => (bytes / 2 ** 20).toFixed(0);
const gigabytes = (bytes) => `${(bytes / 2 ** 30).toFixed(0)} GiB`;
const interval = ({ median, least, most }, show) => `${show(median)} (${show(least)} to ${show(most)})`;
