"""Runs the reference network and writes what the tests in test/reference compare with.

    python make_fixtures.py DATA OUT [--full]

Raw little-endian arrays, described by OUT/index.json:

- networks: VGG5 (CIFAR-10), VGG5 with leaks below 1, ResNet12 with leaks below 1 (CIFAR-10), and VGG11 (CIFAR-100) on real images. In pieces of 16 images, for each
  layer, [T, n, ...]: `current` (weighted sums) and `membrane` (before firing) in the network's precision, and `spikes`, a byte
  that holds the spike in bit 0 and in bit 1 whether |u| < 1e-5; for a pool a byte with 4 times its output. Logits, losses and
  input gradients at the images; FGSM images; all PGD iterates with the gradient at each, and SHA-256 hashes of the spikes at
  each iterate, which tell the images on which a comparison of gradients means something.
- double: the same networks in float64: spikes, logits, losses and gradients.
- training: see training.py.
- ann: the ANN twins of VGG5 and ResNet12 in both precisions, with the outputs of each layer that are not zero.
- rate: VGG5 under rate coding in float64: the code, logits, losses, the straight-through gradient, and the largest magnitude of the
  gradient that autograd finds without it.
- accuracy: right or wrong of each image, white box and black box.
"""

import argparse
import copy
import hashlib
import json
import os
import time
from dataclasses import dataclass

import numpy as np
import torch

from ann import Ann
from attacks import (
    EPSILON,
    PGD_STEP_SIZE,
    PGD_STEPS,
    Gradient,
    correct,
    fgsm_step,
    input_gradient,
    pgd_start,
    pgd_step,
)
from calibration import calibrate, calibrate_residual
from cifar import Cifar
from rate_coding import MEAN, STD, rate_coded, straight_through, uniform_steps
from resnet import SpikingResNet, resnet12, spiking_network
from snn import (
    Firing,
    Network,
    NormalisedClassifier,
    SpikingVGG,
    initialise_weights,
    load_checkpoint,
    save_checkpoint,
    vgg5,
    vgg11,
)
from training import EPOCH, SEED, direct, hire_step, rate

Model = SpikingVGG | SpikingResNet

TIMESTEPS = 8
PIECE = 16
ATTACK_SEED = 7
NARROW = 1e-5
# All from the test part, which is all that is needed: the first images are compared, later ones calibrate and fit.
CALIBRATION = (9_000, 32)
READOUT = (2_000, 256)
TRAINING_IMAGES = (3_000, 8)
TRAINING_TIMESTEPS = 6
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
        """[image][layer] of the spikes alone, [T, ...], one byte each (of a pool, 4 times its output)."""
        layers = [
            layer["spikes"] if name.startswith("pool") else layer["spikes"] & 1
            for name, layer in self.layers().items()
        ]
        return [
            [hashlib.sha256(spikes[:, image].contiguous().numpy()).hexdigest() for spikes in layers]
            for image in range(layers[0].shape[1])
        ]


def make_model(network: Network, data: Cifar, seed: int, leak: float = 1.0) -> Model:
    """A network as it stands before training: initial weights, thresholds found on real images."""
    model = spiking_network(network, TIMESTEPS).eval().requires_grad_(False)
    model.initialise(torch.Generator().manual_seed(seed))
    images, _ = data.read(*CALIBRATION)
    (calibrate_residual if network.residual else calibrate)(model, data.normalise(images))
    for parameter in model.leak.values():
        parameter.fill_(leak)
    return model


def fit_readout(model: Model, data: Cifar) -> None:
    """Ridge regression of the classes on the last hidden layer's spike counts, as the weights of the last layer.

    The network then classifies well above chance, so that accuracies under attack have room to differ; a network with a
    random last layer would be at chance in every column.
    """
    images, labels = data.read(*READOUT)
    last = list(model.layer_names.values())[-2]
    counts = []
    for piece in data.normalise(images).split(PIECE):
        total = torch.zeros(len(piece), model.classifier[-1].in_features)
        model(piece, lambda firing, total=total: total.add_(firing.output.flatten(1)) if firing.layer == last else None)
        counts.append(total)
    features = torch.cat(counts).double()
    targets = torch.nn.functional.one_hot(labels, data.classes).double() - 1 / data.classes
    kernel = features @ features.T
    kernel += RIDGE * kernel.diagonal().mean() * torch.eye(len(kernel), dtype=torch.float64)
    # Scaled to logits of a few units: cross-entropy neither flat nor saturated.
    weight = 8 * torch.linalg.solve(kernel, targets).T @ features
    model.classifier[-1].weight.copy_(weight)


@dataclass
class AttackRun:
    """FGSM and PGD on one piece."""

    at_images: Gradient
    fgsm: torch.Tensor
    iterates: list[torch.Tensor]
    gradients: list[torch.Tensor]
    hashes: list[list[list[str]]]

    @staticmethod
    def of(
        classifier: NormalisedClassifier,
        images: torch.Tensor,
        labels: torch.Tensor,
        first: int,
        *,
        trace: Trace | None = None,
        pgd: bool = True,
        hashes: bool = False,
    ) -> "AttackRun":
        """`trace` watches the pass at the images themselves; `hashes` keeps those of the spikes at PGD's iterates."""
        at_images = input_gradient(lambda x: classifier(x, trace), images, labels)
        run = AttackRun(at_images, fgsm_step(images, at_images.gradient), [], [], [])
        if not pgd:
            return run
        run.iterates.append(pgd_start(images, first, ATTACK_SEED))
        for _ in range(PGD_STEPS):
            step_trace = Trace(values=False) if hashes else None
            current = run.iterates[-1]
            gradient = input_gradient(lambda x, watch=step_trace: classifier(x, watch), current, labels).gradient
            run.iterates.append(pgd_step(images, current, gradient))
            run.gradients.append(gradient)
            if step_trace:
                run.hashes.append(step_trace.hashes())
        return run


@dataclass(frozen=True)
class Counts:
    """On how many images: every detail of the pass at the images; PGD's iterates and gradients; right or wrong."""

    detailed: int
    pgd: int
    accuracy: int = 0


def describe(name: str, network: Network, data: Cifar, checkpoint: str) -> dict:
    return {
        "name": name,
        "network": network.name,
        "dataset": data.name,
        "checkpoint": checkpoint,
        "timesteps": TIMESTEPS,
        "mean": data.mean,
        "std": data.std,
    }


def float32_fixture(
    out: str, network: Network, data: Cifar, model: Model, name: str, counts: Counts
) -> dict:
    folder = Folder(out, name)
    save_checkpoint(model, folder.path("model.pt"))
    classifier = NormalisedClassifier(model, data.mean, data.std)
    pieces, right = [], {"none": [], "fgsm": [], "pgd": []}
    for first in range(0, max(counts.detailed, counts.accuracy), PIECE):
        images, labels = data.read(first, PIECE)
        detailed, with_pgd = first < counts.detailed, first < counts.pgd
        trace = Trace(values=True) if detailed else None
        pgd = with_pgd or first < counts.accuracy
        run = AttackRun.of(classifier, images, labels, first, trace=trace, pgd=pgd, hashes=with_pgd)
        if first < counts.accuracy:
            right["none"].append(correct(run.at_images.logits, labels))
            right["fgsm"].append(correct(classifier(run.fgsm), labels))
            right["pgd"].append(correct(classifier(run.iterates[-1]), labels))
        if trace:
            arrays = at_images_arrays(images, labels, run.at_images) | {
                "normalised": data.normalise(images),
                "fgsm": run.fgsm,
            }
            if with_pgd:
                arrays |= {"iterates": torch.stack(run.iterates), "gradients": torch.stack(run.gradients)}
            piece = write_piece(folder, first, arrays, trace)
            pieces.append(piece | ({"spikeHashes": run.hashes} if with_pgd else {}))
    return {
        **describe(name, network, data, f"{name}/model.pt"),
        "attack": {"epsilon": EPSILON, "steps": PGD_STEPS, "stepSize": PGD_STEP_SIZE, "seed": ATTACK_SEED},
        "pieces": pieces,
        "correct": {key: torch.cat(values).int().tolist() for key, values in right.items() if values},
    }


def at_images_arrays(images: torch.Tensor, labels: torch.Tensor, result: Gradient) -> dict[str, torch.Tensor]:
    return {
        "images": images,
        "labels": labels.to(torch.int32),
        "logits": result.logits,
        "losses": result.losses,
        "gradient": result.gradient,
    }


def write_piece(folder: Folder, first: int, arrays: dict[str, torch.Tensor], trace: Trace) -> dict:
    return {
        "first": first,
        "count": len(arrays["images"]),
        **{key: folder.write(f"{first}.{key}.bin", value) for key, value in arrays.items()},
        "layers": [
            {"name": layer, **{key: folder.write(f"{first}.{layer}.{key}.bin", value) for key, value in kept.items()}}
            for layer, kept in trace.layers().items()
        ],
    }


def float64_fixture(out: str, network: Network, data: Cifar, name: str, count: int) -> dict:
    model = spiking_network(network, TIMESTEPS)
    load_checkpoint(model, os.path.join(out, name, "model.pt"))
    classifier = NormalisedClassifier(model.double(), data.mean, data.std)
    folder = Folder(out, f"{name}-double")
    pieces = []
    for first in range(0, count, PIECE):
        images, labels = data.read(first, min(PIECE, count - first))
        trace = Trace(values=False)
        result = input_gradient(lambda x, watch=trace: classifier(x, watch), images.double(), labels)
        pieces.append(write_piece(folder, first, at_images_arrays(images, labels, result), trace))
    return {**describe(name, network, data, f"{name}/model.pt"), "pieces": pieces}


def training_fixture(
    out: str, network: Network, data: Cifar, name: str, dtype: torch.dtype, coding: str = "direct"
) -> dict:
    """One mini-batch of HIRE training, period by period; under rate coding also the thresholds found on its images."""
    model = SpikingVGG(network, TRAINING_TIMESTEPS)
    load_checkpoint(model, os.path.join(out, name, "model.pt"))
    own_name = f"{name}-training-{str(dtype).removeprefix('torch.')}{'-rate' if coding == 'rate' else ''}"
    folder = Folder(out, own_name)
    model, (images, labels), first = model.to(dtype), data.read(*TRAINING_IMAGES), TRAINING_IMAGES[0]
    of_rate = {}
    if coding == "rate":
        found = copy.deepcopy(model)
        drawn = uniform_steps(SEED, np.arange(first, first + len(images)), model.timesteps, images[0].numel(), 0)
        calibrate(found, rate_coded((images.to(dtype) - MEAN) / STD, drawn))
        thresholds = {key: value.item() for key, value in found.threshold.items()}
        of_rate = {"mean": [MEAN] * 3, "std": [STD] * 3, "epoch": EPOCH, "thresholds": thresholds}
    shown = rate(model, first) if coding == "rate" else direct(data)
    periods = hire_step(model, shown, images.to(dtype), labels, first)
    return {
        **describe(own_name, network, data, f"{name}/model.pt"),
        **of_rate,
        "coding": coding,
        "timesteps": TRAINING_TIMESTEPS,
        "first": first,
        "images": folder.write("images.bin", images),
        "labels": folder.write("labels.bin", labels.to(torch.int32)),
        "periods": [
            {key: folder.write(f"{period}.{key}.bin", value) for key, value in arrays.items()}
            for period, arrays in enumerate(periods)
        ],
    }


def ann_fixture(out: str, network: Network, data: Cifar, name: str, count: int) -> dict:
    model = Ann(network).eval().requires_grad_(False)
    initialise_weights(model, torch.Generator().manual_seed(6))
    # The spiking networks' last layer is meant for sums of spikes; here, logits would hardly differ.
    model.classifier[-1].weight.mul_(10)
    folder = Folder(out, name)
    torch.save(model.state_dict(), folder.path("model.pt"))
    images, labels = data.read(0, count)
    arrays: dict[str, torch.Tensor] = {"images": images, "labels": labels.to(torch.int32)}
    active: dict[str, torch.Tensor] = {}
    for suffix, dtype in (("64", torch.float64), ("", torch.float32)):
        classifier = NormalisedClassifier(model.to(dtype), data.mean, data.std)
        active.clear()
        watch = lambda layer, values: active.setdefault(layer, (values.detach() != 0).flatten(1).sum(1).int())
        result = input_gradient(lambda x: classifier(x, watch), images.to(dtype), labels)
        found = {"logits": result.logits, "losses": result.losses, "gradient": result.gradient}
        arrays |= {key + suffix: value for key, value in found.items()}
    arrays |= {"fgsm": fgsm_step(images, arrays["gradient"]), "active": torch.stack(list(active.values()), 1)}
    described = {key: value for key, value in describe(name, network, data, f"{name}/model.pt").items() if key != "timesteps"}
    written = {key: folder.write(f"{key}.bin", value) for key, value in arrays.items()}
    return {**described, "count": count, "layers": list(active), **written}


def rate_fixture(out: str, network: Network, data: Cifar, name: str, count: int) -> dict:
    timesteps, seed, draw, first = 16, 2**40 + 5, 3, 100
    model = spiking_network(network, timesteps)
    load_checkpoint(model, os.path.join(out, name, "model.pt"))
    model = model.double().eval().requires_grad_(False)
    images, labels = data.read(first, count)
    uniform = uniform_steps(seed, np.arange(first, first + count), timesteps, images[0].numel(), draw)
    normalised = lambda pixels: (pixels - MEAN) / STD
    through = input_gradient(lambda x: model(straight_through(normalised(x), uniform)), images.double(), labels)
    naive = input_gradient(lambda x: model(rate_coded(normalised(x), uniform)), images.double(), labels)
    assert torch.equal(through.logits, naive.logits)
    folder = Folder(out, f"{name}-rate")
    arrays = {
        "images": images,
        "labels": labels.to(torch.int32),
        "code": (rate_coded(normalised(images.double()), uniform) + 1).to(torch.uint8),
        "logits": through.logits,
        "losses": through.losses,
        "gradient": through.gradient,
    }
    described = describe(f"{name}-rate", network, data, f"{name}/model.pt")
    return {
        **described,
        **{"timesteps": timesteps, "seed": seed, "pass": draw, "first": first, "count": count},
        **{"mean": [MEAN] * 3, "std": [STD] * 3, "naiveGradient": naive.gradient.abs().max().item()},
        **{key: folder.write(f"{key}.bin", value) for key, value in arrays.items()},
    }


def black_box_fixture(
    out: str, network: Network, data: Cifar, target: tuple[str, Model], source: Model, count: int
) -> dict:
    """The target's answers on images that were made with the gradients of `source`."""
    target_name, target_model = target
    name = f"{target_name}-source"
    save_checkpoint(source, Folder(out, name).path("model.pt"))
    target_classifier, source_classifier = (
        NormalisedClassifier(model, data.mean, data.std) for model in (target_model, source)
    )
    right = {"fgsm": [], "pgd": []}
    for first in range(0, count, PIECE):
        images, labels = data.read(first, PIECE)
        run = AttackRun.of(source_classifier, images, labels, first)
        right["fgsm"].append(correct(target_classifier(run.fgsm), labels))
        right["pgd"].append(correct(target_classifier(run.iterates[-1]), labels))
    return {
        **describe(name, network, data, f"{name}/model.pt"),
        "target": target_name,
        "correct": {key: torch.cat(values).int().tolist() for key, values in right.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--full", action="store_true", help="64 images throughout, accuracies on 256 of both networks")
    arguments = parser.parse_args()
    out, full = arguments.out, arguments.full
    os.makedirs(out, exist_ok=True)
    started = time.monotonic()

    def done(what: str) -> None:
        print(f"reference: {what} ({time.monotonic() - started:.0f} s)", flush=True)

    cifar10, cifar100 = Cifar("cifar10", arguments.data), Cifar("cifar100", arguments.data)
    five, eleven = vgg5(cifar10.classes), vgg11(cifar100.classes)
    index = {"networks": [], "double": [], "blackBox": [], "ann": [], "rate": [], "training": []}
    for name, network in (("vgg5-ann", five), ("resnet12-ann", resnet12(cifar10.classes))):
        index["ann"].append(ann_fixture(out, network, cifar10, name, 16))
    done("ANN twins of VGG5 and ResNet12")

    target, source = (make_model(five, cifar10, seed) for seed in (1, 2))
    for model in (target, source):
        fit_readout(model, cifar10)
    leaky = make_model(five, cifar10, seed=3, leak=0.95)
    done("VGG5, three networks: thresholds, last layers")
    counts = Counts(detailed=64, pgd=64 if full else 32, accuracy=256)
    index["networks"].append(float32_fixture(out, five, cifar10, target, "vgg5", counts))
    done(f"VGG5: {counts}")
    index["rate"].append(rate_fixture(out, five, cifar10, "vgg5", 8))
    done("VGG5 under rate coding")
    index["blackBox"].append(
        black_box_fixture(out, five, cifar10, ("vgg5", target), source, 256 if full else 32)
    )
    done("VGG5, black box")
    counts = Counts(detailed=64, pgd=64) if full else Counts(detailed=16, pgd=16)
    index["networks"].append(float32_fixture(out, five, cifar10, leaky, "vgg5-leaky", counts))
    done(f"VGG5 with leaks of 0.95: {counts}")
    index["double"].append(float64_fixture(out, five, cifar10, "vgg5", 64 if full else 16))
    index["double"].append(float64_fixture(out, five, cifar10, "vgg5-leaky", 64 if full else 16))
    done("VGG5 in float64")
    for name in ("vgg5", "vgg5-leaky"):
        for dtype in (torch.float64, torch.float32):
            index["training"].append(training_fixture(out, five, cifar10, name, dtype))
        index["training"].append(training_fixture(out, five, cifar10, name, torch.float64, "rate"))
    done("VGG5, training under direct and rate coding")
    del target, source, leaky, model

    residual = make_model(resnet12(cifar10.classes), cifar10, seed=5, leak=0.97)
    fit_readout(residual, cifar10)
    done("ResNet12: thresholds, last layer")
    counts = Counts(detailed=64, pgd=64) if full else Counts(detailed=16, pgd=16)
    index["networks"].append(float32_fixture(out, residual.network, cifar10, residual, "resnet12", counts))
    done(f"ResNet12: {counts}")
    index["double"].append(float64_fixture(out, residual.network, cifar10, "resnet12", 64 if full else 8))
    done("ResNet12 in float64")
    del residual

    model = make_model(eleven, cifar100, seed=4)
    done("VGG11: thresholds")
    counts = Counts(detailed=64, pgd=64 if full else 16, accuracy=256 if full else 0)
    index["networks"].append(float32_fixture(out, eleven, cifar100, model, "vgg11", counts))
    done(f"VGG11: {counts}")
    index["double"].append(float64_fixture(out, eleven, cifar100, "vgg11", 64 if full else 8))
    done("VGG11 in float64")
    with open(os.path.join(out, "index.json"), "w") as file:
        json.dump(index, file)


if __name__ == "__main__":
    main()
