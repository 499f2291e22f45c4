"""Writes a network with images and the step-by-step reference's results, for engine_parity and bench_peers.py.

    python make_fixtures.py vgg5|vgg11 DATA FILE [--images N]

Initial weights, thresholds 0.6 x those found layer by layer over 100 time steps on real images, as for the benchmark on the CPU.
The reference computes on the CPU, in float32.
"""

import argparse
import os
import sys

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "reference"))

from attacks import input_gradient
from calibration import calibrate
from cifar import Cifar
from snn import NormalisedClassifier, SpikingVGG, vgg5, vgg11

TIMESTEPS = 8
CALIBRATION_TIMESTEPS = 100
CALIBRATION = (9_000, 32)
SEED = 1


def describe(model: SpikingVGG) -> list[dict]:
    """The layers as engine_parity reads them."""
    layers = []
    shape = list(model.network.input_shape)
    modules = [*model.features, *model.classifier]
    for index, module in enumerate(modules):
        layer = {"name": model.layer_names.get(index), "input": shape}
        if isinstance(module, torch.nn.Conv2d):
            shape = [module.out_channels, *shape[1:]]
            layer |= {"kind": "conv", "kernel": module.kernel_size[0], "weight": module.weight.detach()}
        elif isinstance(module, torch.nn.AvgPool2d):
            shape = [shape[0], shape[1] // 2, shape[2] // 2]
            layer |= {"kind": "average-pool"}
        elif isinstance(module, torch.nn.Linear):
            shape = [module.out_features, 1, 1]
            layer |= {"kind": "output" if index == len(modules) - 1 else "linear", "weight": module.weight.detach()}
        else:
            continue
        if layer["kind"] in ("conv", "linear"):
            layer |= {"threshold": model.threshold[f"t{index}"].item(), "leak": model.leak[f"l{index}"].item()}
        layers.append(layer | {"output": shape})
    return layers


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("network", choices=["vgg5", "vgg11"])
    parser.add_argument("data")
    parser.add_argument("file")
    parser.add_argument("--images", type=int, default=64)
    arguments = parser.parse_args()

    data = Cifar("cifar10", arguments.data)
    network = {"vgg5": vgg5, "vgg11": vgg11}[arguments.network](data.classes)
    model = SpikingVGG(network, CALIBRATION_TIMESTEPS).eval().requires_grad_(False)
    model.initialise(torch.Generator().manual_seed(SEED))
    mean, std = (torch.tensor(values).reshape(1, -1, 1, 1) for values in (data.mean, data.std))
    images, _ = data.read(*CALIBRATION)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    calibrate(model.to(device), ((images - mean) / std).to(device))
    model = model.to("cpu")
    model.timesteps = TIMESTEPS

    images, labels = data.read(0, arguments.images)
    classifier = NormalisedClassifier(model, data.mean, data.std)
    reference = input_gradient(classifier, images, labels)
    torch.save(
        {
            "name": network.name,
            "layers": describe(model),
            "mean": data.mean,
            "std": data.std,
            "timesteps": TIMESTEPS,
            "images": images,
            "labels": labels,
            "logits": reference.logits,
            "gradient": reference.gradient,
        },
        arguments.file,
    )


if __name__ == "__main__":
    main()
