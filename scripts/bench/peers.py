"""The peers of `npm run bench`, each in a process of its own that takes commands on stdin and answers in JSON lines.

    python peers.py make  VGG11 CIFAR-FOLDER FILE --scale 0.6   writes a network with calibrated thresholds, prints its rates
    python peers.py serve PEER FILE CIFAR-FOLDER --batch 32     "forward", "step", "check": seconds, or logits and spikes

PEER is original (step by step, as scripts/reference has it), layered (layer by layer over all time steps, the first
convolution once) or compiled (the same with the neurons through torch.compile).
"""

import argparse
import json
import os
import resource
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "reference"))

import torch
from torch import nn

from attacks import input_gradient, pgd_step
from calibration import calibrate
from cifar import Cifar
from snn import Network, NormalisedClassifier, PiecewiseLinearSpike, SpikingVGG, load_checkpoint, save_checkpoint, vgg5, vgg11

CALIBRATION_IMAGES = (9000, 64)


def vgg16(classes: int) -> Network:
    features = (64, 64, "A", 128, 128, "A", 256, 256, 256, "A", 512, 512, 512, "A", 512, 512, 512)
    return Network("VGG16", features, (4096, 4096), classes)


NETWORKS = {"VGG5": vgg5, "VGG11": vgg11, "VGG16": vgg16}


def neurons(currents: torch.Tensor, threshold: torch.Tensor, leak: torch.Tensor, timesteps: int) -> torch.Tensor:
    """A layer of neurons over all time steps: [T or 1, N, ...] -> spikes [T, N, ...]."""
    membrane = torch.zeros_like(currents[0])
    spikes = []
    for step in range(timesteps):
        integrated = leak * membrane + currents[step if len(currents) > 1 else 0]
        u = integrated / threshold - 1
        spikes.append(PiecewiseLinearSpike.apply(u))
        membrane = integrated - threshold * (u > 0).to(u.dtype)
    return torch.stack(spikes)


class LayeredVGG(nn.Module):
    """The same network with the layers outside and the time steps inside: dense layers see all time steps as one batch."""

    def __init__(self, model: SpikingVGG, compiled: bool):
        super().__init__()
        self.model = model
        self.neurons = torch.compile(neurons, dynamic=False) if compiled else neurons
        self.spikes: list[torch.Tensor] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        model, timesteps = self.model, self.model.timesteps
        signal = images[None]
        self.spikes = []
        offset = len(model.features)
        for index, module in enumerate([*model.features, *model.classifier]):
            if index == offset:
                signal = signal.flatten(2)
            if not isinstance(module, (nn.Conv2d, nn.Linear, nn.AvgPool2d)):
                continue
            sums = module(signal.flatten(0, 1)).unflatten(0, signal.shape[:2])
            if isinstance(module, nn.AvgPool2d):
                signal = sums
            elif f"t{index}" in model.threshold:
                signal = self.neurons(sums, model.threshold[f"t{index}"], model.leak[f"l{index}"], timesteps)
                self.spikes.append(signal.detach())
            else:
                return sums.sum(0)
        raise AssertionError("a network ends with its output layer")


def make(arguments: argparse.Namespace) -> None:
    data = Cifar("cifar100", arguments.data)
    model = SpikingVGG(NETWORKS[arguments.network](data.classes), 8).eval().requires_grad_(False)
    model.initialise(torch.Generator().manual_seed(1))
    images, _ = data.read(*CALIBRATION_IMAGES)
    calibrate(model, data.normalise(images), scale=arguments.scale)
    save_checkpoint(model, arguments.file)
    layered = LayeredVGG(model, compiled=False)
    with torch.no_grad():
        layered(data.normalise(data.read(0, 16)[0]))
    names = [name for _, name, _ in model.spiking_layers()]
    rates = dict(zip(names, (spikes.mean().item() for spikes in layered.spikes), strict=True))
    print(json.dumps({"rates": rates}))


def serve(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(arguments.threads)
    data = Cifar("cifar100", arguments.data)
    model = SpikingVGG(NETWORKS[arguments.network](data.classes), arguments.timesteps).eval().requires_grad_(False)
    load_checkpoint(model, arguments.file)
    layered = None if arguments.peer == "original" else LayeredVGG(model, arguments.peer == "compiled")
    classifier = NormalisedClassifier(layered or model, data.mean, data.std)
    images, labels = data.read(0, arguments.batch)

    def forward() -> None:
        with torch.no_grad():
            classifier(images)

    def step() -> None:
        pgd_step(images, images, input_gradient(classifier, images, labels).gradient)

    def check() -> dict:
        with torch.no_grad():
            logits = classifier(images)
        if layered:
            spikes = [int(layer.sum().item()) for layer in layered.spikes]
        else:
            # The counters of the ReLUs stand one place behind those of their layers.
            spikes = [int(model.spike_count[index + 1].sum().item()) for index, _, _ in model.spiking_layers()
                      if index + 1 in model.spike_count]
        return {"logits": logits.flatten().tolist(), "spikes": spikes}

    print(json.dumps({"ready": True, "torch": torch.__version__}), flush=True)
    for line in sys.stdin:
        command = line.strip()
        if command == "check":
            answer = check()
        elif command == "memory":
            answer = {"peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
        else:
            work = {"forward": forward, "step": step}[command]
            started = time.perf_counter()
            work()
            answer = {"seconds": time.perf_counter() - started}
        print(json.dumps(answer), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make")
    making.add_argument("network", choices=NETWORKS)
    making.add_argument("data")
    making.add_argument("file")
    making.add_argument("--scale", type=float, default=0.6)
    serving = commands.add_parser("serve")
    serving.add_argument("peer", choices=["original", "layered", "compiled"])
    serving.add_argument("network", choices=NETWORKS)
    serving.add_argument("file")
    serving.add_argument("data")
    serving.add_argument("--batch", type=int, default=32)
    serving.add_argument("--threads", type=int, default=2)
    serving.add_argument("--timesteps", type=int, default=8)
    arguments = parser.parse_args()
    {"make": make, "serve": serve}[arguments.command](arguments)


if __name__ == "__main__":
    main()
