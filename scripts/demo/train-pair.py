"""Trains the demo's pair, target and black-box source, and writes both in the original's form.

    node scripts/demo/make-images.mjs TRAIN --split train --count 8000
    python scripts/demo/train-pair.py TRAIN examples/demo

The two differ in their seed alone: initial weights, order of the images and dropout. Training is the family's usual one for a
plain ("traditional") spiking network: initial weights, thresholds found layer by layer on training images, then surrogate
gradients through all time steps with Adam, weights and thresholds and leaks together, leaks held at 1 or below and thresholds
above 0.
"""

import argparse
import json
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "reference"))

from attacks import EPSILON, correct, fgsm, pgd  # noqa: E402
from calibration import calibrate  # noqa: E402
from snn import Network, NormalisedClassifier, SpikingVGG, save_checkpoint  # noqa: E402

NETWORK = "12,A,24,24,A/64,10"
TIMESTEPS = 8
SEEDS = {"target": 1, "source": 2}
EPOCHS = 12
BATCH = 100
LEARNING_RATE = 2e-3
NEURON_LEARNING_RATE = 2e-4
"""Of thresholds and leaks: the weights' rate would carry a threshold of 0.1 across zero within an epoch."""
LEAST_THRESHOLD = 0.01
CALIBRATION_IMAGES = 512


class Images:
    def __init__(self, folder: str):
        with open(os.path.join(folder, "images.json")) as file:
            self.description = json.load(file)
        self.shape = tuple(self.description["imageShape"])
        elements = int(np.prod(self.shape))
        records = np.fromfile(os.path.join(folder, "images.bin"), dtype=np.uint8).reshape(-1, 1 + elements)
        self.labels = torch.from_numpy(records[:, 0].astype(np.int64))
        self.pixels = torch.from_numpy(records[:, 1:].copy()).reshape(-1, *self.shape).to(torch.float32) / 255
        self.mean, self.std = self.description["mean"], self.description["std"]


def train(images: Images, seed: int) -> SpikingVGG:
    torch.manual_seed(seed)
    order = torch.Generator().manual_seed(seed)
    network = Network.parse(NETWORK, images.shape)
    model = SpikingVGG(network, TIMESTEPS)
    model.initialise(torch.Generator().manual_seed(seed))
    normalised = (images.pixels - torch.tensor(images.mean).reshape(1, 3, 1, 1)) / torch.tensor(images.std).reshape(1, 3, 1, 1)
    calibrate(model, normalised[:CALIBRATION_IMAGES])

    steps = EPOCHS * (len(normalised) // BATCH)
    weights = [*model.features.parameters(), *model.classifier.parameters()]
    neurons = [*model.threshold.values(), *model.leak.values()]
    groups = [{"params": weights, "lr": LEARNING_RATE}, {"params": neurons, "lr": NEURON_LEARNING_RATE}]
    optimiser = torch.optim.Adam(groups, amsgrad=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    model.train()
    for epoch in range(EPOCHS):
        total, right = 0.0, 0
        for batch in torch.randperm(len(normalised), generator=order).split(BATCH):
            logits = model(normalised[batch])
            loss = F.cross_entropy(logits, images.labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            with torch.no_grad():
                for leak in model.leak.values():
                    leak.clamp_(max=1)
                for threshold in model.threshold.values():
                    threshold.clamp_(min=LEAST_THRESHOLD)
            total += loss.item() * len(batch)
            right += int(correct(logits.detach(), images.labels[batch]).sum())
        print(f"seed {seed} epoch {epoch + 1}: loss {total / len(normalised):.3f}, {100 * right / len(normalised):.1f} %", flush=True)
    return model.eval()


def describe(images: Images) -> dict:
    """The network file beside a checkpoint: what the checkpoint itself does not hold."""
    return {
        "network": NETWORK,
        "inputShape": list(images.shape),
        "timesteps": TIMESTEPS,
        "dataset": images.description["name"],
        "mean": images.mean,
        "std": images.std,
    }


def percentage(logits: torch.Tensor, labels: torch.Tensor) -> str:
    return f"{100 * correct(logits, labels).float().mean().item():.1f} %"


def report(models: dict[str, SpikingVGG], test: Images) -> None:
    """What the pair does on the test images, for whoever changes the figures above."""
    target, source = (NormalisedClassifier(models[name], test.mean, test.std) for name in ("target", "source"))
    images, labels = test.pixels, test.labels
    print(f"clean {percentage(target(images), labels)}; source {percentage(source(images), labels)}")
    target(images)
    for index, count in models["target"].spike_count.items():
        print(f"module {index}: active at {100 * count.mean().item() / TIMESTEPS:.1f} % of neurons and time steps")
    for access, model in (("white", target), ("black", source)):
        for name, attacked in (
            ("fgsm", fgsm(model, images, labels)),
            ("pgd", pgd(model, images, labels, first_sample=0, seed=0)),
        ):
            print(f"{access} {name} at {EPSILON}: {percentage(target(attacked), labels)}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("train")
    parser.add_argument("output")
    arguments = parser.parse_args()
    # One thread and deterministic kernels: the pair comes out the same, bit for bit, each time on one machine.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    images, test = Images(arguments.train), Images(arguments.output)
    models = {}
    for name, seed in SEEDS.items():
        models[name] = train(images, seed)
        save_checkpoint(models[name], os.path.join(arguments.output, f"{name}.pt"))
        with open(os.path.join(arguments.output, f"{name}.network.json"), "w") as file:
            json.dump(describe(images), file, indent=2)
            file.write("\n")
    report(models, test)


if __name__ == "__main__":
    main()
