"""Runs the reference network and writes what the tests in test/reference compare with.

    python make_fixtures.py DATA OUT [--full] [--only NAME]

Raw little-endian arrays, described by OUT/index.json:

- networks: VGG5 (CIFAR-10), VGG5 with leaks below 1, ResNet12 with leaks below 1 (CIFAR-10), and VGG11 (CIFAR-100) on real images. In pieces of 16 images, for each
  layer, [T, n, ...]: `current` (weighted sums) and `membrane` (before firing) in the network's precision, and `spikes`, a byte
  that holds the spike in bit 0 and in bit 1 whether |u| < 1e-5; for a pool a byte with 4 times its output. Logits, losses and
  input gradients at the images; FGSM images; all PGD iterates with the gradient at each, and SHA-256 hashes of the spikes at
  each iterate, which tell the images on which a comparison of gradients means something.
- double: the same networks in float64: spikes, logits, losses and gradients.
- training: see training.py; of VGG5 and, with leaks that differ from layer to layer, of ResNet12.
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
from collections.abc import Callable
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
TRAINING_FIRST = 3_000
TRAINING_TIMESTEPS = {"direct": 6, "rate": 12}
"""So many that no layer is silent in a period."""
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


@dataclass(frozen=True)
class Recipe:
    network: Callable[[int], Network]
    data: str
    seed: int
    leak: float = 1.0
    readout: bool = False

    def make(self, data: Cifar) -> Model:
        model = make_model(self.network(data.classes), data, self.seed, self.leak)
        if self.readout:
            fit_readout(model, data)
        return model


RECIPES = {
    "vgg5": Recipe(vgg5, "cifar10", 1, readout=True),
    "vgg5-source": Recipe(vgg5, "cifar10", 2, readout=True),
    "vgg5-leaky": Recipe(vgg5, "cifar10", 3, leak=0.95),
    "resnet12": Recipe(resnet12, "cifar10", 5, leak=0.97, readout=True),
    "vgg11": Recipe(vgg11, "cifar100", 4),
}
LEAKS_SUFFIX = "-leaks"
"""Of the same network with a leak of its own for each layer, so that one that is taken for another's is seen."""
LEAKS_FALL = 0.01
"""From layer to layer, from 1 on, the bound that updates keep to."""


class Models:
    """The networks by name: each is made when it is first asked for, and read from its checkpoint then."""

    def __init__(self, out: str, data: dict[str, Cifar]):
        self._out, self._data = out, data
        self._made: set[str] = set()

    def data(self, name: str) -> Cifar:
        return self._data[self._recipe(name).data]

    def network(self, name: str) -> Network:
        return self._recipe(name).network(self.data(name).classes)

    def load(self, name: str, timesteps: int = TIMESTEPS) -> Model:
        path = Folder(self._out, name).path("model.pt")
        if name not in self._made:
            save_checkpoint(self._make(name), path)
            self._made.add(name)
        model = spiking_network(self.network(name), timesteps)
        load_checkpoint(model, path)
        return model

    @staticmethod
    def _recipe(name: str) -> Recipe:
        return RECIPES[name.removesuffix(LEAKS_SUFFIX)]

    @torch.no_grad()
    def _make(self, name: str) -> Model:
        if not name.endswith(LEAKS_SUFFIX):
            return self._recipe(name).make(self.data(name))
        model = self.load(name.removesuffix(LEAKS_SUFFIX))
        for layer, leak in enumerate(model.leak.values()):
            leak.fill_(1 - LEAKS_FALL * layer)
        return model


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


def float32_fixture(out: str, models: Models, name: str, counts: Counts) -> dict:
    folder, data, network = Folder(out, name), models.data(name), models.network(name)
    classifier = NormalisedClassifier(models.load(name), data.mean, data.std)
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


def float64_fixture(out: str, models: Models, name: str, count: int) -> dict:
    data, network = models.data(name), models.network(name)
    classifier = NormalisedClassifier(models.load(name).double(), data.mean, data.std)
    folder = Folder(out, f"{name}-double")
    pieces = []
    for first in range(0, count, PIECE):
        images, labels = data.read(first, min(PIECE, count - first))
        trace = Trace(values=False)
        result = input_gradient(lambda x, watch=trace: classifier(x, watch), images.double(), labels)
        pieces.append(write_piece(folder, first, at_images_arrays(images, labels, result), trace))
    return {**describe(name, network, data, f"{name}/model.pt"), "pieces": pieces}


def training_fixture(
    out: str, models: Models, name: str, dtype: torch.dtype, count: int, coding: str = "direct"
) -> dict:
    """One mini-batch of HIRE training, period by period; under rate coding also the thresholds found on its images."""
    data, network, first = models.data(name), models.network(name), TRAINING_FIRST
    own_name = f"{name}-training-{str(dtype).removeprefix('torch.')}{'-rate' if coding == 'rate' else ''}"
    folder = Folder(out, own_name)
    timesteps = TRAINING_TIMESTEPS[coding]
    model, (images, labels) = models.load(name, timesteps).to(dtype), data.read(first, count)
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
        "timesteps": timesteps,
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


def rate_fixture(out: str, models: Models, name: str, count: int) -> dict:
    timesteps, seed, draw, first = 16, 2**40 + 5, 3, 100
    data, network = models.data(name), models.network(name)
    model = models.load(name, timesteps).double().eval().requires_grad_(False)
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


def black_box_fixture(out: str, models: Models, target: str, name: str, count: int) -> dict:
    """The target's answers on images that were made with the gradients of the network of that name."""
    data = models.data(target)
    target_classifier, source_classifier = (
        NormalisedClassifier(models.load(either), data.mean, data.std) for either in (target, name)
    )
    right = {"fgsm": [], "pgd": []}
    for first in range(0, count, PIECE):
        images, labels = data.read(first, PIECE)
        run = AttackRun.of(source_classifier, images, labels, first)
        right["fgsm"].append(correct(target_classifier(run.fgsm), labels))
        right["pgd"].append(correct(target_classifier(run.iterates[-1]), labels))
    return {
        **describe(name, models.network(name), data, f"{name}/model.pt"),
        "target": target,
        "correct": {key: torch.cat(values).int().tolist() for key, values in right.items()},
    }


class Parts:
    """What there is to make, in parts that need nothing of each other; all add to the index."""

    def __init__(self, out: str, models: Models, full: bool):
        self.index = {"networks": [], "double": [], "blackBox": [], "ann": [], "rate": [], "training": []}
        self._out, self._models, self._full = out, models, full

    def ann(self) -> None:
        for name in ("vgg5", "resnet12"):
            data = self._models.data(name)
            self.index["ann"].append(ann_fixture(self._out, self._models.network(name), data, f"{name}-ann", 16))

    def vgg5(self) -> None:
        self._network("vgg5", Counts(detailed=64, pgd=64 if self._full else 32, accuracy=256))
        self.index["rate"].append(rate_fixture(self._out, self._models, "vgg5", 8))
        count = 256 if self._full else 32
        self.index["blackBox"].append(black_box_fixture(self._out, self._models, "vgg5", "vgg5-source", count))
        self._network("vgg5-leaky", Counts(detailed=64, pgd=64) if self._full else Counts(detailed=16, pgd=16))
        for name in ("vgg5", "vgg5-leaky"):
            self._double(name, 16)

    def vgg5_training(self) -> None:
        for name in ("vgg5", "vgg5-leaky"):
            self._training(name, 8)
            fixture = training_fixture(self._out, self._models, name, torch.float64, 8, "rate")
            self.index["training"].append(fixture)

    def resnet12(self) -> None:
        self._network("resnet12", Counts(detailed=64, pgd=64) if self._full else Counts(detailed=16, pgd=16))
        self._double("resnet12", 8)

    def resnet12_training(self) -> None:
        self._training("resnet12-leaks", 4)

    def vgg11(self) -> None:
        full = self._full
        self._network("vgg11", Counts(detailed=64, pgd=64 if full else 16, accuracy=256 if full else 0))
        self._double("vgg11", 8)

    def _network(self, name: str, counts: Counts) -> None:
        self.index["networks"].append(float32_fixture(self._out, self._models, name, counts))

    def _double(self, name: str, count: int) -> None:
        self.index["double"].append(float64_fixture(self._out, self._models, name, 64 if self._full else count))

    def _training(self, name: str, count: int) -> None:
        for dtype in (torch.float64, torch.float32):
            self.index["training"].append(training_fixture(self._out, self._models, name, dtype, count))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--full", action="store_true", help="64 images throughout, accuracies on 256 of both networks")
    parser.add_argument("--only", default="", metavar="NAME", help="of the parts, those whose names have this in them")
    arguments = parser.parse_args()
    out = arguments.out
    os.makedirs(out, exist_ok=True)
    started = time.monotonic()
    models = Models(out, {name: Cifar(name, arguments.data) for name in ("cifar10", "cifar100")})
    parts = Parts(out, models, arguments.full)
    made = 0
    for make in (parts.ann, parts.vgg5, parts.vgg5_training, parts.resnet12, parts.resnet12_training, parts.vgg11):
        name = make.__name__.replace("_", "-")
        if arguments.only in name:
            make()
            made += 1
            print(f"reference: {name} ({time.monotonic() - started:.0f} s)", flush=True)
    if made == 0:
        parser.error(f"no part has {arguments.only} in its name")
    with open(os.path.join(out, "index.json"), "w") as file:
        json.dump(parts.index, file)


if __name__ == "__main__":
    main()
