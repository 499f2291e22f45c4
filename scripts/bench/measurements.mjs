// What is measured, and how.
import { join } from "node:path";
import { say } from "../setup/report.mjs";
import { contenders } from "./contenders.mjs";
import { compareAll } from "./parity.mjs";
import { median, ratioOf, spread } from "./statistics.mjs";
import { WorkerProcess } from "./worker-process.mjs";

const protocolSamples = 32;
const memoryBatch = 128;
const memorySteps = 5;

/** (a) / (b eager): outside, the reference does more or less than the original, and every ratio against it is wrong. */
const sane = { forward: [1.2, 2], step: [0.95, 1.5] };

export class Bench {
  #field;
  #peers;
  #pixels;
  #data;
  #folder;
  #base;
  #rounds;
  #quick;
  /** What was expected and found, where a check failed. */
  failures = [];

  constructor({ field, peers, pixels, data, folder, base, rounds, quick }) {
    this.#field = field;
    this.#peers = peers;
    this.#pixels = pixels;
    this.#data = data;
    this.#folder = folder;
    this.#base = base;
    this.#rounds = rounds;
    this.#quick = quick;
  }

  /** Peak of a dense product on one and two threads, and the versions of everything. */
  async machine() {
    say("the machine's peak");
    const python = WorkerProcess.python("PyTorch", this.#peers);
    const engine = WorkerProcess.engine();
    try {
      const { gflops } = await python.request("gemm", { threads: [1, 2] });
      return {
        peakGflops: gflops,
        versions: { ...(await engine.request("versions")), ...(await python.request("versions")) },
      };
    } finally {
      await python.close();
      await engine.close();
    }
  }

  /** One network in one shape, by all contenders: checked against each other, then measured in rounds. */
  async row(
    checkpoint,
    shape,
    { measured = true, protocol = false, check = true, rounds = this.#rounds } = {},
  ) {
    const { batch } = shape;
    const timesteps = checkpoint.timesteps ?? shape.timesteps;
    say(`${checkpoint.what}, T = ${timesteps}, batch ${batch}, ${shape.threads} threads: loading`);
    const field = this.#field;
    const loaded = await field.load(await this.#order(checkpoint, { ...shape, timesteps }));
    const row = { checkpoint, ...shape, timesteps, how: {} };
    for (const [id, { how }] of Object.entries(loaded)) if (how) row.how[id] = how;

    say("warming up");
    await field.each("forward", { batch });
    await field.each("step", { batch });
    row.rates = (await field.ask("hire-snn", "rates", { batch }))?.layers ?? [];
    if (check) {
      say("comparing");
      const checks = await field.each("check", (id) => ({ batch, folder: join(this.#folder, id) }));
      row.parity = compareAll(this.#folder, checks);
      for (const [id, { failures }] of Object.entries(row.parity?.contenders ?? {}))
        for (const failure of failures) this.#fail(`${id} does not compute ${checkpoint.what}: ${failure}`);
    }
    if (measured) {
      await this.#measure(row, rounds);
      if (!this.#quick && check) this.#judge(row);
    }
    if (protocol) {
      say(`the white-box protocol on ${protocolSamples} images`);
      row.protocol = await field.each(
        "protocol",
        { samples: protocolSamples },
        { only: (contender) => contender.protocol },
      );
    }
    row.out = { ...field.out };
    return row;
  }

  async #measure(row, rounds) {
    const { batch } = row;
    const seconds = {};
    for (let round = 1; round <= rounds; round++) {
      say(`round ${round} of ${rounds}`);
      // There and back: whoever comes after whom changes.
      for (const command of ["forward", "step"]) {
        const answers = await this.#field.each(command, { batch }, { reversed: round % 2 === 0 });
        for (const [id, answer] of Object.entries(answers)) {
          seconds[id] ??= { forward: [], step: [] };
          seconds[id][command].push(answer.seconds);
        }
      }
    }
    // One that dropped out has fewer rounds: no figures at all are better than figures of other rounds.
    row.seconds = Object.fromEntries(Object.entries(seconds).filter(([id]) => !this.#field.out[id]));
    row.times = mapValues(row.seconds, ({ forward, step }) => ({
      forward: spread(forward),
      step: spread(step),
    }));
    const own = row.seconds["hire-snn"];
    row.ratios = own
      ? mapValues(row.seconds, ({ forward, step }) => ({
          forward: ratioOf(forward, own.forward),
          step: ratioOf(step, own.step),
        }))
      : {};
    const peers = contenders.filter(({ id, group }) => group === "peer" && row.times[id]);
    row.fastestPeer = Object.fromEntries(
      ["forward", "step"].map((what) => {
        const ordered = peers.toSorted((a, b) => row.times[a.id][what].median - row.times[b.id][what].median);
        return [what, ordered[0]?.id ?? null];
      }),
    );
  }

  #judge(row) {
    const { reference, layers } = row.seconds;
    if (!reference || !layers) {
      this.#fail("the reference cannot be judged: it and (b) eager have to be measured");
      return;
    }
    row.sanity = {};
    for (const what of ["forward", "step"]) {
      const found = ratioOf(reference[what], layers[what]).median;
      const [least, most] = sane[what];
      row.sanity[what] = { found, least, most };
      say(`(a) / (b eager), ${what}: ${found.toFixed(2)}, expected ${least} to ${most}`);
      if (!(found >= least && found <= most)) {
        this.#fail(
          `(a) / (b eager), ${what}, ${row.checkpoint.what}: expected ${least} to ${most} but found ${found.toFixed(2)}: ` +
            "the reference does not do what the original does, or the machine was disturbed",
        );
      }
    }
  }

  /** The package alone, one factor varied at a time. */
  async factors(main, checkpointOf) {
    const { network, ...shape } = this.#base;
    const plan = [
      { what: "base", checkpoint: main },
      { what: "threads 1", checkpoint: main, threads: 1 },
      ...[1, 8, 128].map((batch) => ({ what: `batch ${batch}`, checkpoint: main, batch })),
      ...[4, 16].map((timesteps) => ({ what: `T = ${timesteps}`, checkpoint: main, timesteps })),
      ...["VGG5", "VGG16"].filter((name) => name !== network).map((name) => ({ what: name, name })),
    ];
    const found = [];
    const engine = WorkerProcess.engine();
    try {
      for (const { what, name, ...changed } of plan) {
        say(`(d) alone: ${what}`);
        const checkpoint = changed.checkpoint ?? (await checkpointOf(name));
        const at = { ...shape, ...changed, checkpoint: undefined };
        await engine.request("load", await this.#order(checkpoint, at));
        const seconds = { forward: [], step: [] };
        for (const command of ["forward", "step"]) await engine.request(command, { batch: at.batch });
        for (let round = 0; round < this.#rounds; round++) {
          for (const command of ["forward", "step"])
            seconds[command].push((await engine.request(command, { batch: at.batch })).seconds);
        }
        found.push({
          ...{
            what,
            network: checkpoint.name,
            batch: at.batch,
            timesteps: at.timesteps,
            threads: at.threads,
          },
          ...{ forward: spread(seconds.forward), step: spread(seconds.step) },
        });
      }
    } finally {
      await engine.close();
    }
    return found;
  }

  /** Each layer's kernel and times in (d), median of the rounds. */
  async profiles(checkpoints) {
    const found = [];
    for (const checkpoint of checkpoints) {
      const engine = WorkerProcess.engine();
      try {
        say(`layers of ${checkpoint.what}`);
        const shape = { ...this.#base, timesteps: checkpoint.timesteps ?? this.#base.timesteps };
        await engine.request("load", await this.#order(checkpoint, shape));
        const { batch } = shape;
        const runs = [];
        for (let round = 0; round < this.#rounds; round++)
          runs.push((await engine.request("profile", { batch })).layers);
        const layers = runs[0].map((layer, index) => {
          const forwardSeconds = median(runs.map((run) => run[index].forwardSeconds));
          const backwardSeconds = median(runs.map((run) => run[index].backwardSeconds));
          // Of a dense network that runs every layer at every time step, whatever is skipped.
          const operations = 2 * layer.macs * batch * shape.timesteps;
          return {
            ...layer,
            ...{ forwardSeconds, backwardSeconds },
            forwardGflops: operations / forwardSeconds / 1e9,
            backwardGflops: operations / backwardSeconds / 1e9,
          };
        });
        found.push({ checkpoint: checkpoint.what, ...shape, layers });
      } finally {
        await engine.close();
      }
    }
    return found;
  }

  /** Resident memory, each figure in a process of its own. */
  async memory(checkpoint) {
    const batch = this.#quick ? 8 : memoryBatch;
    const shape = { ...this.#base, batch };
    const order = await this.#order(checkpoint, shape);
    say(`memory of a PGD step at batch ${batch}`);
    const measure = async (worker, contender) => {
      try {
        const load = await worker.request("load", { ...order, contender });
        await worker.request("step", { batch });
        const first = await worker.request("memory");
        let later = null;
        if (contender === "hire-snn") {
          for (let step = 0; step < memorySteps; step++) await worker.request("step", { batch });
          later = await worker.request("memory");
        }
        return { load, first, later };
      } finally {
        await worker.close();
      }
    };
    const peer = await measure(WorkerProcess.python("layers", this.#peers), "layers");
    const own = await measure(WorkerProcess.engine(), "hire-snn");
    const attack = WorkerProcess.engine();
    let during;
    try {
      await attack.request("load", order);
      await attack.request("step", { batch, steps: memorySteps });
      during = await attack.request("memory");
    } finally {
      await attack.close();
    }
    const loaded = own.load.residentAfter - own.load.residentBefore;
    return {
      ...{ batch, steps: memorySteps },
      layersPeakBytes: peer.first.peakBytes,
      peakBytes: own.first.peakBytes,
      peakBytesAfterMore: own.later.peakBytes,
      peakBytesOfOneAttack: during.peakBytes,
      beforeLoadingBytes: own.load.residentBefore,
      loadedBytes: loaded,
      checkpointBytes: checkpoint.bytes,
      loadedRatio: loaded / checkpoint.bytes,
    };
  }

  /** How late the event loop is while (d) computes. */
  async timer(checkpoint) {
    const batch = this.#quick ? 8 : memoryBatch;
    const engine = WorkerProcess.engine();
    try {
      say("the event loop during an attack");
      await engine.request("load", await this.#order(checkpoint, { ...this.#base, batch }));
      const steps = 7;
      return { batch, steps, ...(await engine.request("timer", { batch, steps })) };
    } finally {
      await engine.close();
    }
  }

  async #order(checkpoint, { batch, timesteps, threads }) {
    const { dataset } = this.#pixels;
    const files = await this.#pixels.raw("test", Math.max(batch, protocolSamples));
    return {
      ...{ checkpoint: checkpoint.path, network: checkpoint.network, timesteps, threads },
      ...{ ...files, mean: dataset.mean, std: dataset.std, dataset: dataset.name, data: this.#data },
    };
  }

  #fail(message) {
    say(message);
    this.failures.push(message);
  }
}

/** Every combination, by all contenders, in three rounds. What a contender cannot do, for want of memory say, is named in its row. */
export async function fullMatrix(bench, results, checkpointsOf) {
  for (const network of ["VGG5", "VGG11", "VGG16"]) {
    const checkpoints = await checkpointsOf(network, [0.6, 0.3]);
    for (const checkpoint of checkpoints) {
      for (const timesteps of [4, 8, 16]) {
        for (const batch of [1, 8, 32, 128]) {
          for (const threads of [1, 2]) {
            const base = network === "VGG11" && timesteps === 8 && batch === 32 && threads === 2;
            const options = base ? { protocol: checkpoint.scale === 0.6 } : { check: false, rounds: 3 };
            results.rows.push(await bench.row(checkpoint, { network, batch, timesteps, threads }, options));
          }
        }
      }
    }
  }
}

function mapValues(object, change) {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));
}
