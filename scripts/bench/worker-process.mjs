// A contender's process, which is kept alive from round to round so that loading and compiling are not timed.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { interrupted } from "../setup/processes.mjs";
import { SetupError } from "../setup/report.mjs";

const pythonWorker = fileURLToPath(new URL("python/worker.py", import.meta.url));
const engineWorker = fileURLToPath(new URL("engine-worker.mjs", import.meta.url));

/**
 * Threads that wait asleep, for all alike: the package's addon does so by itself, and with spinning threads of idle contenders, or
 * beside another program, the peers' times would be multiples of themselves.
 */
const quietThreads = { OMP_WAIT_POLICY: "passive", KMP_BLOCKTIME: "0" };

/** One request at a time; answers are JSON lines. See python/worker.py and engine-worker.mjs for the commands. */
export class WorkerProcess {
  #child;
  #lines;
  #ended;
  #name;

  constructor(name, program, args, environment) {
    this.#name = name;
    this.#child = spawn(program, args, {
      env: { ...process.env, ...quietThreads, ...environment },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#child.stdin.on("error", () => {}); // The end of the process is reported by `close`.
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.#ended = new Promise((resolve) => {
      this.#child.on("error", (error) => resolve(`could not be started (${error.message})`));
      this.#child.on("close", (code, signal) =>
        resolve(signal ? `was ended by ${signal}` : `ended with code ${code}`),
      );
    });
    const end = () => this.#child.kill("SIGTERM");
    interrupted.addEventListener("abort", end, { once: true });
    void this.#ended.then(() => interrupted.removeEventListener("abort", end));
  }

  static python(name, { python, environment }) {
    return new WorkerProcess(name, python, [pythonWorker], environment);
  }

  static engine(name = "hire-snn") {
    return new WorkerProcess(name, process.execPath, [engineWorker], {});
  }

  /** @throws {SetupError} if the worker answers with an error, or is gone */
  async request(command, order = {}) {
    interrupted.throwIfAborted();
    this.#child.stdin.write(`${JSON.stringify({ command, ...order })}\n`);
    const { value, done } = await this.#lines.next();
    if (done) {
      const how = await this.#ended;
      interrupted.throwIfAborted();
      // The kernel's way of saying that memory is short.
      const advice = how.includes("SIGKILL") ? "; most likely the memory was short" : "";
      throw new SetupError(`${this.#name} ${how} at ${command}${advice}`);
    }
    const answer = JSON.parse(value);
    if (answer.error) throw new SetupError(`${this.#name} at ${command}: ${answer.error}`);
    return answer;
  }

  async close() {
    this.#child.stdin.end();
    await this.#ended;
  }
}
