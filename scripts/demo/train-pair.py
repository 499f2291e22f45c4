"""Trains the demo's pair, target and black-box source, and writes both in the original's form.

    node scripts/demo/make-images.mjs TRAIN --split train --count 8000
    python scripts/demo/train-pair.py TRAIN examples/demo

The two differ in their seed alone: initial weights, order of the images and dropout. Training is that of the family: an ANN of
the same layers, thresholds found layer by layer on training images, then surrogate gradients through all time steps, weights and
thresholds and leaks together, leaks held at 1 or below. (Without the ANN, weights outgrow thresholds, membranes jump past the
surrogate's support, and the input gradient of some images is exactly zero: they would look robust for no good reason.)
"""

import argparse
import json
import os
import sys
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "reference"))

from attacks import EPSILON, correct, fgsm, input_gradient, pgd  # noqa: E402
from calibration import calibrate  # noqa: E402
from snn import Network, NormalisedClassifier, SpikingVGG, save_checkpoint  # noqa: E402

NETWORK = "12,A,24,24,A/64,10"
TIMESTEPS = 8
SEEDS = {"target": 1, "source": 2}
BATCH = 100
ANN_EPOCHS, ANN_LEARNING_RATE = 10, 2e-3
SNN_EPOCHS, SNN_LEARNING_RATE = 5, 5e-4
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


def ann(model: SpikingVGG, images: torch.Tensor) -> torch.Tensor:
    """The same layers without time: the modules as they stand, ReLUs included."""
    return model.classifier(model.features(images).flatten(1))


def train(images: Images, seed: int) -> SpikingVGG:
    # Dropout draws from the global generator.
    torch.manual_seed(seed)
    order = torch.Generator().manual_seed(seed)
    model = SpikingVGG(Network.parse(NETWORK, images.shape), TIMESTEPS)
    model.initialise(torch.Generator().manual_seed(seed))
    mean, std = (torch.tensor(value).reshape(1, -1, 1, 1) for value in (images.mean, images.std))
    normalised = (images.pixels - mean) / std

    weights = [*model.features.parameters(), *model.classifier.parameters()]
    fit(lambda batch: ann(model, batch), model, weights, ANN_LEARNING_RATE, ANN_EPOCHS, normalised, images.labels, order)
    calibrate(model.eval(), normalised[:CALIBRATION_IMAGES])
    fit(model, model, [*model.parameters()], SNN_LEARNING_RATE, SNN_EPOCHS, normalised, images.labels, order)
    return model.eval()


def fit(
    forward: Callable[[torch.Tensor], torch.Tensor],
    model: SpikingVGG,
    parameters: list[torch.nn.Parameter],
    learning_rate: float,
    epochs: int,
    images: torch.Tensor,
    labels: torch.Tensor,
    order: torch.Generator,
) -> None:
    optimiser = torch.optim.Adam(parameters, lr=learning_rate, amsgrad=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * (len(images) // BATCH))
    model.train()
    for epoch in range(epochs):
        total, right = 0.0, 0
        for batch in torch.randperm(len(images), generator=order).split(BATCH):
            logits = forward(images[batch])
            loss = F.cross_entropy(logits, labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            with torch.no_grad():
                for leak in model.leak.values():
                    leak.clamp_(max=1)
            total += loss.item() * len(batch)
            right += int(correct(logits.detach(), labels[batch]).sum())
        print(f"epoch {epoch + 1}: loss {total / len(images):.3f}, {100 * right / len(images):.1f} %", flush=True)


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
    for key, threshold in models["target"].threshold.items():
        print(f"threshold {key} {threshold.item():.3f}, leak {models['target'].leak['l' + key[1:]].item():.3f}")
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
    still = (input_gradient(target, images, labels).gradient.flatten(1).abs().amax(1) == 0).sum().item()
    print(f"images with an input gradient of exactly zero: {still}")


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
        print(name)
        models[name] = train(images, seed)
        save_checkpoint(models[name], os.path.join(arguments.output, f"{name}.pt"))
        with open(os.path.join(arguments.output, f"{name}.network.json"), "w") as file:
            json.dump(describe(images), file, indent=2)
            file.write("\n")
    report(models, test)


if __name__ == "__main__":
    main()
