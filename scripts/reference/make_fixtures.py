"""Runs the reference network and writes what the tests in test/reference compare with.

    python make_fixtures.py DATA OUT [--full]

Raw little-endian arrays, described by OUT/index.json:

- networks: VGG5 (CIFAR-10), VGG5 with leaks below 1, and VGG11 (CIFAR-100) on real images. In pieces of 32 images, for each
  layer, [T, n, ...]: `current` (weighted sums) and `membrane` (before firing) in the network's precision, and `spikes`, a byte
  that holds the spike in bit 0 and in bit 1 whether |u| < 1e-5; for a pool a byte with 4 times its output. Logits, losses and
  input gradients at the images; FGSM images; all PGD iterates with the gradient at each, and SHA-256 hashes of the spikes at
  each iterate, which tell the images on which a comparison of gradients means something.
- double: the same networks in float64: spikes, logits, losses and gradients.
- accuracy: right or wrong of each image, white box and black box.
"""

import argparse
import hashlib
import json
import os
import time

import numpy as np
import torch

from attacks import (
    EPSILON,
    PGD_STEP_SIZE,
    PGD_STEPS,
    correct,
    fgsm_step,
    input_gradient,
    pgd_start,
    pgd_step,
)
from calibration import calibrate
from cifar import Cifar
from snn import Firing, Network, NormalisedClassifier, SpikingVGG, load_checkpoint, save_checkpoint, vgg5, vgg11

TIMESTEPS = 8
PIECE = 32
ATTACK_SEED = 7
NARROW = 1e-5
# All from the test part, which is all that is needed: the first images are compared, later ones calibrate and fit.
CALIBRATION = (9_000, 64)
READOUT = (2_000, 512)
RIDGE = 1e-2
"""Relative to the mean squared norm of the last hidden layer's spike counts."""


class Folder:
    """Where a fixture's arrays go; each is described by a file name, its dtype and its shape."""

    def __init__(self, root: str, name: str):
        self.root, self.name = root, name
        os.makedirs(os.path.join(root, name), exist_ok=True)

    def path(self, file: str) -> str:
        return os.path.join(self.root, self.name, file)

    def write(self, file: str, array: torch.Tensor) -> dict:
        values = array.detach().contiguous().numpy()
        values.astype(values.dtype.newbyteorder("<"), copy=False).tofile(self.path(file))
        return {"file": f"{self.name}/{file}", "dtype": str(values.dtype), "shape": list(values.shape)}


class Trace:
    """Keeps what the layers did in one forward pass."""

    def __init__(self, values: bool):
        self._values = values
        self._steps: dict[str, list[dict[str, torch.Tensor]]] = {}

    def __call__(self, firing: Firing) -> None:
        if firing.layer == "output":
            return
        if firing.u is None:
            kept = {"spikes": (4 * firing.output.detach()).to(torch.uint8)}
        else:
            u = firing.u.detach()
            kept = {"spikes": (u > 0).to(torch.uint8) | ((u.abs() < NARROW).to(torch.uint8) << 1)}
            if self._values:
                kept |= {"current": firing.current.detach(), "membrane": firing.membrane.detach()}
        self._steps.setdefault(firing.layer, []).append(kept)

    def layers(self) -> dict[str, dict[str, torch.Tensor]]:
        """Layer -> quantity -> [T, n, ...]."""
        return {
            layer: {quantity: torch.stack([step[quantity] for step in steps]) for quantity in steps[0]}
            for layer, steps in self._steps.items()
        }

    def hashes(self) -> list[list[str]]:
        """[image][layer] of the spikes alone, one byte each, [T, ...]."""
        layers = [
            layer["spikes"] & 1 if "current" in layer or not name.startswith("pool") else layer["spikes"]
            for name, layer in self.layers().items()
        ]
        return [
            [hashlib.sha256(spikes[:, image].contiguous().numpy()).hexdigest() for spikes in layers]
            for image in range(layers[0].shape[1])
        ]


def make_model(network: Network, data: Cifar, seed: int, leak: float = 1.0) -> SpikingVGG:
    """A network as it stands before training: initial weights, thresholds found on real images."""
    model = SpikingVGG(network, TIMESTEPS).eval().requires_grad_(False)
    model.initialise(torch.Generator().manual_seed(seed))
    images, _ = data.read(*CALIBRATION)
    calibrate(model, data.normalise(images))
    for parameter in model.leak.values():
        parameter.fill_(leak)
    return model


def fit_readout(model: SpikingVGG, data: Cifar) -> None:
    """Ridge regression of the classes on the last hidden layer's spike counts, as the weights of the last layer.

    The network then classifies well above chance, so that accuracies under attack have room to differ; a network with a
    random last layer would be at chance in every column.
    """
    images, labels = data.read(*READOUT)
    last = [name for name in model.layer_names.values() if name.startswith("linear")][-1]
    counts = []
    for piece in data.normalise(images).split(PIECE):
        total = torch.zeros(len(piece), model.classifier[-1].in_features)
        model(piece, lambda firing, total=total: total.add_(firing.output) if firing.layer == last else None)
        counts.append(total)
    features = torch.cat(counts).double()
    targets = torch.nn.functional.one_hot(labels, data.classes).double() - 1 / data.classes
    kernel = features @ features.T
    kernel += RIDGE * kernel.diagonal().mean() * torch.eye(len(kernel), dtype=torch.float64)
    # Scaled to logits of a few units: cross-entropy neither flat nor saturated.
    weight = 8 * torch.linalg.solve(kernel, targets).T @ features
    model.classifier[-1].weight.copy_(weight)


def attack_piece(
    classifier: NormalisedClassifier, images: torch.Tensor, labels: torch.Tensor, first: int, record: bool
) -> dict:
    """FGSM and PGD on one piece; with `record`, also all that led there."""
    trace = Trace(values=True) if record else None
    at_images = input_gradient(lambda x: classifier(x, trace), images, labels)
    result = {
        "trace": trace,
        "at_images": at_images,
        "fgsm": fgsm_step(images, at_images.gradient),
        "iterates": [pgd_start(images, first, ATTACK_SEED)],
        "gradients": [],
        "hashes": [],
    }
    for _ in range(PGD_STEPS):
        trace = Trace(values=False) if record else None
        current = result["iterates"][-1]
        gradient = input_gradient(lambda x, trace=trace: classifier(x, trace), current, labels).gradient
        result["iterates"].append(pgd_step(images, current, gradient))
        result["gradients"].append(gradient)
        if trace:
            result["hashes"].append(trace.hashes())
    return result


def describe(name: str, network: Network, data: Cifar, dataset: str, checkpoint: str) -> dict:
    return {
        "name": name,
        "network": network.name,
        "dataset": dataset,
        "checkpoint": checkpoint,
        "timesteps": TIMESTEPS,
        "mean": data.mean,
        "std": data.std,
    }


def float32_fixture(
    out: str, name: str, network: Network, dataset: str, data: Cifar, model: SpikingVGG, count: int, counted: int
) -> dict:
    """Everything about the first `count` images; accuracies over the first `counted`."""
    folder = Folder(out, name)
    save_checkpoint(model, folder.path("model.pt"))
    classifier = NormalisedClassifier(model, data.mean, data.std)
    pieces, right = [], {"none": [], "fgsm": [], "pgd": []}
    for first in range(0, max(count, counted), PIECE):
        size = min(PIECE, max(count, counted) - first)
        images, labels = data.read(first, size)
        record = first < count
        run = attack_piece(classifier, images, labels, first, record)
        if first < counted:
            right["none"].append(correct(run["at_images"].logits, labels))
            right["fgsm"].append(correct(classifier(run["fgsm"]), labels))
            right["pgd"].append(correct(classifier(run["iterates"][-1]), labels))
        if record:
            at = f"{first}."
            arrays = {
                "images": images,
                "normalised": data.normalise(images),
                "labels": labels.to(torch.int32),
                "logits": run["at_images"].logits,
                "losses": run["at_images"].losses,
                "gradient": run["at_images"].gradient,
                "fgsm": run["fgsm"],
                "iterates": torch.stack(run["iterates"]),
                "gradients": torch.stack(run["gradients"]),
            }
            pieces.append(
                {
                    "first": first,
                    "count": size,
                    **{key: folder.write(f"{at}{key}.bin", value) for key, value in arrays.items()},
                    "spikeHashes": run["hashes"],
                    "layers": [
                        {
                            "name": layer,
                            **{key: folder.write(f"{at}{layer}.{key}.bin", value) for key, value in quantities.items()},
                        }
                        for layer, quantities in run["trace"].layers().items()
                    ],
                }
            )
    return {
        **describe(name, network, data, dataset, f"{name}/model.pt"),
        "attack": {"epsilon": EPSILON, "steps": PGD_STEPS, "stepSize": PGD_STEP_SIZE, "seed": ATTACK_SEED},
        "pieces": pieces,
        "correct": {key: torch.cat(values).int().tolist() for key, values in right.items() if values},
    }


def float64_fixture(out: str, name: str, network: Network, dataset: str, data: Cifar, count: int) -> dict:
    model = SpikingVGG(network, TIMESTEPS)
    load_checkpoint(model, os.path.join(out, name, "model.pt"))
    classifier = NormalisedClassifier(model.double(), data.mean, data.std)
    folder = Folder(out, f"{name}-double")
    pieces = []
    for first in range(0, count, PIECE // 2):
        size = min(PIECE // 2, count - first)
        images, labels = data.read(first, size)
        trace = Trace(values=False)
        result = input_gradient(lambda x, trace=trace: classifier(x, trace), images.double(), labels)
        at = f"{first}."
        pieces.append(
            {
                "first": first,
                "count": size,
                "images": folder.write(f"{at}images.bin", images),
                "labels": folder.write(f"{at}labels.bin", labels.to(torch.int32)),
                "logits": folder.write(f"{at}logits.bin", result.logits),
                "losses": folder.write(f"{at}losses.bin", result.losses),
                "gradient": folder.write(f"{at}gradient.bin", result.gradient),
                "layers": [
                    {"name": layer, "spikes": folder.write(f"{at}{layer}.spikes.bin", quantities["spikes"])}
                    for layer, quantities in trace.layers().items()
                ],
            }
        )
    return {**describe(name, network, data, dataset, f"{name}/model.pt"), "pieces": pieces}


def black_box_fixture(
    out: str, target_name: str, target: SpikingVGG, source: SpikingVGG, network: Network, data: Cifar, count: int
) -> dict:
    """The target's answers on images that were made with the gradients of `source`."""
    folder = Folder(out, f"{target_name}-source")
    save_checkpoint(source, folder.path("model.pt"))
    target, source = (NormalisedClassifier(model, data.mean, data.std) for model in (target, source))
    right = {"fgsm": [], "pgd": []}
    for first in range(0, count, PIECE):
        images, labels = data.read(first, PIECE)
        run = attack_piece(source, images, labels, first, record=False)
        right["fgsm"].append(correct(target(run["fgsm"]), labels))
        right["pgd"].append(correct(target(run["iterates"][-1]), labels))
    return {
        **describe(f"{target_name}-source", network, data, "cifar10", f"{target_name}-source/model.pt"),
        "target": target_name,
        "correct": {key: torch.cat(values).int().tolist() for key, values in right.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--full", action="store_true", help="accuracies of VGG11 on 256 images, float64 on 64 images each")
    arguments = parser.parse_args()
    out, full = arguments.out, arguments.full
    os.makedirs(out, exist_ok=True)
    started = time.monotonic()

    def done(what: str) -> None:
        print(f"reference: {what} ({time.monotonic() - started:.0f} s)", flush=True)

    cifar10, cifar100 = Cifar("cifar10", arguments.data), Cifar("cifar100", arguments.data)
    five, eleven = vgg5(cifar10.classes), vgg11(cifar100.classes)

    model = make_model(five, cifar10, seed=1)
    fit_readout(model, cifar10)
    source = make_model(five, cifar10, seed=2)
    fit_readout(source, cifar10)
    leaky = make_model(five, cifar10, seed=3, leak=0.95)
    done("VGG5: thresholds and last layers of three networks")
    index = {"networks": [], "double": [], "blackBox": []}
    index["networks"].append(float32_fixture(out, "vgg5", five, "cifar10", cifar10, model, 64, 256))
    done("VGG5: 64 images in every detail, accuracies on 256")
    index["networks"].append(float32_fixture(out, "vgg5-leaky", five, "cifar10", cifar10, leaky, 64 if full else 16, 0))
    done("VGG5 with leaks of 0.95")
    index["blackBox"].append(black_box_fixture(out, "vgg5", model, source, five, cifar10, 256 if full else 64))
    done("VGG5: black box")
    index["double"].append(float64_fixture(out, "vgg5", five, "cifar10", cifar10, 64))
    index["double"].append(float64_fixture(out, "vgg5-leaky", five, "cifar10", cifar10, 16))
    done("VGG5 in float64")
    del model, source, leaky
    model = make_model(eleven, cifar100, seed=4)
    done("VGG11: thresholds")
    index["networks"].append(
        float32_fixture(out, "vgg11", eleven, "cifar100", cifar100, model, 64, 256 if full else 0)
    )
    done("VGG11: 64 images in every detail" + (", accuracies on 256" if full else ""))
    index["double"].append(float64_fixture(out, "vgg11", eleven, "cifar100", cifar100, 64 if full else 16))
    done("VGG11 in float64")
    with open(os.path.join(out, "index.json"), "w") as file:
        json.dump(index, file)


if __name__ == "__main__":
    main()
