// Who is measured, in the order in which tables list them.
import { WorkerProcess } from "./worker-process.mjs";

/** `group`: the original, a peer, or this package; `needs`: a package of PyPI; `protocol`: also runs the whole protocol. */
export const contenders = [
  { id: "reference", group: "original", label: "(a) original, step by step in PyTorch", protocol: true },
  { id: "layers", group: "peer", label: "(b) layer by layer in PyTorch, eager" },
  { id: "layers-compiled", group: "peer", label: "(b) the same, neurons through torch.compile" },
  {
    id: "spikingjelly",
    group: "peer",
    label: "(c) SpikingJelly multi-step, torch",
    needs: "spikingjelly",
    protocol: true,
  },
  {
    id: "spikingjelly-inductor",
    group: "peer",
    label: "(c) SpikingJelly multi-step, inductor",
    needs: "spikingjelly",
    protocol: true,
  },
  { id: "hire-snn", group: "engine", label: "(d) hire-snn", protocol: true },
];

/**
 * The contenders' processes. One that fails is out for the row, with the reason; for the next row it is started anew.
 */
export class Field {
  #peers;
  #workers = new Map();
  /** Why a contender is not measured in the current row, by id. */
  out = {};

  constructor(peers) {
    this.#peers = peers;
  }

  /** Loads a row's network into every contender that can be had. */
  async load(order) {
    this.out = {};
    for (const { id, needs } of contenders) {
      const missing = needs && this.#peers.missing[needs];
      if (missing) this.out[id] = `not installed: ${missing}`;
    }
    return this.each("load", (contender) => ({ ...order, contender }));
  }

  /**
   * Sends a command to every contender still in, one after the other.
   * @returns {Promise<Record<string, object>>} the answers by id
   */
  async each(command, order, { only = () => true, reversed = false } = {}) {
    const answers = {};
    for (const contender of reversed ? contenders.toReversed() : contenders) {
      if (this.out[contender.id] || !only(contender)) continue;
      const answer = await this.ask(contender.id, command, order);
      if (answer) answers[contender.id] = answer;
    }
    return answers;
  }

  /** The answer, or null if the contender failed; it is then out. */
  async ask(id, command, order) {
    const given = typeof order === "function" ? order(id) : order;
    try {
      return await this.#worker(id).request(command, given);
    } catch (error) {
      if (error.name !== "SetupError") throw error;
      process.stderr.write(`bench: ${error.message}\n`);
      this.out[id] = error.message;
      await this.#end(id);
      return null;
    }
  }

  #worker(id) {
    let worker = this.#workers.get(id);
    if (!worker) {
      worker = id === "hire-snn" ? WorkerProcess.engine() : WorkerProcess.python(id, this.#peers);
      this.#workers.set(id, worker);
    }
    return worker;
  }

  async #end(id) {
    const worker = this.#workers.get(id);
    this.#workers.delete(id);
    await worker?.close();
  }

  /** Ends the processes of all but the given ones. */
  async close(keep = []) {
    for (const id of [...this.#workers.keys()]) {
      if (!keep.includes(id)) await this.#end(id);
    }
  }
}
