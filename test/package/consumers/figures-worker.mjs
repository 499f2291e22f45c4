// A consumer that evaluates in a worker.
import { Worker } from "node:worker_threads";

new Worker(new URL("figures.mjs", import.meta.url));
