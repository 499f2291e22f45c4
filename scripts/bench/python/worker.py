"""One contender in a process of its own: commands on stdin, one JSON object a line, answers alike on stdout.

    load      {contender, checkpoint, network, timesteps, threads, images, labels, mean, std}
    forward   {batch}            -> {seconds}
    step      {batch}            -> {seconds}   forward, input gradient and update of one PGD step
    protocol  {samples}          -> {seconds, correct, by}   clean, FGSM, PGD-7, each evaluated, in batches of 32
    check     {batch, folder}    -> {layers}    logits, input gradient and packed spikes as files
    memory                       -> {residentBytes, peakBytes}
    gemm      {threads}          -> {gflops}
    versions                     -> {...}

Everything that is not an answer goes to stderr. An error is an answer too: {"error": ...}.
"""

import importlib.metadata
import json
import os
import sys
import time

import numpy as np
import torch

from common import process_memory, read_images, read_labels
from attacks import EPSILON, PGD_STEP_SIZE, PGD_STEPS, correct, fgsm_step, pgd_start, pgd_step
from peers import build, input_gradient
from snn import Network, SpikingVGG, load_checkpoint

PROTOCOL_BATCH = 32


class Worker:
    def load(self, order: dict) -> dict:
        torch.set_num_threads(order["threads"])
        self.contender = order["contender"]
        if self.contender in ("layers-compiled", "spikingjelly-inductor"):
            # Every layer of every row is a shape of its own to torch.compile, which gives up after a few.
            torch._dynamo.reset()
            torch._dynamo.config.recompile_limit = 256
        self.images, self.labels = read_images(order["images"]), read_labels(order["labels"])
        started = time.perf_counter()
        network = Network.parse(order["network"], tuple(order["images"]["shape"]))
        model = SpikingVGG(network, order["timesteps"])
        load_checkpoint(model, order["checkpoint"])
        self.model = build(self.contender, model, order["mean"], order["std"])
        return {"seconds": time.perf_counter() - started, "how": getattr(self.model, "how", None)}

    def forward(self, order: dict) -> dict:
        images = self.images[: order["batch"]]
        started = time.perf_counter()
        with torch.no_grad():
            self.model(images)
        return {"seconds": time.perf_counter() - started}

    def step(self, order: dict) -> dict:
        images, labels = self.images[: order["batch"]], self.labels[: order["batch"]]
        started = time.perf_counter()
        pgd_step(images, images, input_gradient(self.model, images, labels))
        return {"seconds": time.perf_counter() - started}

    def protocol(self, order: dict) -> dict:
        attacks, by = self._attacks()
        right = dict.fromkeys(["clean", *attacks], 0)
        started = time.perf_counter()
        for first in range(0, order["samples"], PROTOCOL_BATCH):
            last = min(first + PROTOCOL_BATCH, order["samples"])
            images, labels = self.images[first:last], self.labels[first:last]
            shown = {"clean": images} | {name: attack(images, labels, first) for name, attack in attacks.items()}
            for name, attacked in shown.items():
                with torch.no_grad():
                    right[name] += int(correct(self.model(attacked), labels).sum())
        return {"seconds": time.perf_counter() - started, "correct": right, "by": by}

    def _attacks(self):
        if self.contender.startswith("spikingjelly"):
            try:
                import torchattacks
            except ImportError as error:
                return self._own_attacks(), f"the reference's attacks: torchattacks cannot be imported ({error})"
            fgsm = torchattacks.FGSM(self.model, eps=EPSILON)
            pgd = torchattacks.PGD(self.model, eps=EPSILON, alpha=PGD_STEP_SIZE, steps=PGD_STEPS, random_start=True)
            for attack in (fgsm, pgd):
                # It switches models to evaluation mode by itself.
                attack.set_model_training_mode(model_training=True)
            return {
                "fgsm": lambda images, labels, _first: fgsm(images, labels),
                "pgd": lambda images, labels, _first: pgd(images, labels),
            }, f"torchattacks {importlib.metadata.version('torchattacks')}"
        return self._own_attacks(), "the reference's attacks"

    def _own_attacks(self):
        def fgsm(images, labels, _first):
            return fgsm_step(images, input_gradient(self.model, images, labels))

        def pgd(images, labels, first):
            current = pgd_start(images, first, seed=0)
            for _ in range(PGD_STEPS):
                current = pgd_step(images, current, input_gradient(self.model, current, labels))
            return current

        return {"fgsm": fgsm, "pgd": pgd}

    def check(self, order: dict) -> dict:
        images, labels = self.images[: order["batch"]], self.labels[: order["batch"]]
        os.makedirs(order["folder"], exist_ok=True)
        layers = []

        def observe(name: str, spikes: torch.Tensor) -> None:
            np.packbits(spikes.reshape(-1).numpy()).tofile(os.path.join(order["folder"], f"{name}.spikes"))
            layers.append({"name": name, "neuronSteps": spikes.numel(), "spikes": int(spikes.sum())})

        with torch.no_grad():
            logits = self.model(images, observe)
        logits.numpy().astype("<f4").tofile(os.path.join(order["folder"], "logits"))
        gradient = input_gradient(self.model, images, labels)
        gradient.contiguous().numpy().astype("<f4").tofile(os.path.join(order["folder"], "gradient"))
        return {"layers": layers}

    def memory(self, _order: dict) -> dict:
        return process_memory()

    def gemm(self, order: dict) -> dict:
        size = 4096
        left, right = torch.rand(size, size), torch.rand(size, size)
        found = {}
        for threads in order["threads"]:
            torch.set_num_threads(threads)
            seconds = []
            for _ in range(6):
                started = time.perf_counter()
                left @ right
                seconds.append(time.perf_counter() - started)
            # The best, not the median: a peak is what nothing disturbed.
            found[str(threads)] = 2 * size**3 / min(seconds) / 1e9
        return {"gflops": found}

    def versions(self, _order: dict) -> dict:
        found = {"python": sys.version.split()[0], "torch": torch.__version__, "numpy": np.__version__}
        for package in ("spikingjelly", "torchattacks"):
            try:
                found[package] = importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                found[package] = None
        found["torchCapability"] = torch.backends.cpu.get_cpu_capability()
        found["onednn"] = next(
            (line.strip().removeprefix("- ") for line in torch.__config__.show().splitlines() if "DNN" in line), None
        )
        return found


def main() -> None:
    # Answers alone on stdout, whatever a library prints.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker()
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = getattr(worker, order["command"])(order)
        except Exception as error:  # The driver names the contender and goes on with the others.
            print(f"{order['command']}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            answer = {"error": f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
