"""TorchScript programs on Python's side.

    python torchscript.py compare CHECKPOINT ARCHIVE vgg5|vgg11|vgg16 DATASET DATA COUNT
        Compares an exported program, which returns its spike counts, with the original's network on the first COUNT real
        images; prints JSON. In float32 and float64, with optimised execution on and off, each after the calls in which the
        profiling executor warms up.
    python torchscript.py outputs FILE...
        Prints what each program's forward() gives on the probe of its name (see PROBES), as JSON.
"""

import argparse
import json
import os
import sys
import warnings

import torch
from attacks import input_gradient
from cifar import Cifar
from snn import NormalisedClassifier, SpikingVGG, load_checkpoint, vgg5, vgg11, vgg16

TIMESTEPS = 8
# The profiling executor compiles anew after its first runs.
WARM_UP = 3
MICRO_BATCH = 8
NETWORKS = {"vgg5": vgg5, "vgg11": vgg11, "vgg16": vgg16}
# By a part of the file's name: the shape of the probe.
PROBES = {"foo6": [2, 3], "scripted.script": [6], "linrelu": [4, 10], "vit4mnist": [1, 1, 28, 28]}


def probe(shape: list[int]) -> torch.Tensor:
    count = int(torch.tensor(shape).prod())
    return ((torch.arange(count, dtype=torch.float64) * 0.61803398874989485) % 1).float().reshape(shape)


class Counting:
    """The original's network with the spikes of each layer and time step, [N, layers, T]."""

    def __init__(self, model: SpikingVGG, data: Cifar):
        self.classifier = NormalisedClassifier(model, data.mean, data.std)
        self.counts = torch.zeros(0)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        steps: dict[str, list[torch.Tensor]] = {}

        def observe(firing) -> None:
            if firing.layer != "output":
                steps.setdefault(firing.layer, []).append((firing.output.detach() != 0).flatten(1).sum(1))

        logits = self.classifier(images, observe)
        self.counts = torch.stack([torch.stack(layer, 1) for layer in steps.values()], 1).int()
        return logits


class Program:
    """An exported program behind the same normalisation."""

    def __init__(self, module: torch.jit.ScriptModule, data: Cifar):
        self.module, self.data = module, data
        self.counts = torch.zeros(0)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        logits, self.counts = self.module(self.data.normalise(images))
        return logits


def compare(arguments: argparse.Namespace) -> dict:
    data = Cifar(arguments.dataset, arguments.data)
    model = SpikingVGG(NETWORKS[arguments.network](data.classes), TIMESTEPS).eval()
    load_checkpoint(model, arguments.checkpoint)
    module = torch.jit.load(arguments.archive)
    state, own = module.state_dict(), model.state_dict()
    if {key: value.shape for key, value in state.items()} != {key: value.shape for key, value in own.items()}:
        raise ValueError(f"Expected the checkpoint's tensors in {arguments.archive} but found {list(state)}")
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    results = {}
    for dtype in (torch.float32, torch.float64):
        reference, program = Counting(model.to(dtype), data), Program(module.to(dtype), data)
        for optimised in (False, True):
            found = {"logits": 0.0, "gradient": 0.0, "signs": 0, "pixels": 0, "same": 0, "images": 0, "equalBits": 0}
            with torch.jit.optimized_execution(optimised):
                for first in range(0, arguments.count, MICRO_BATCH):
                    images, labels = data.read(first, min(MICRO_BATCH, arguments.count - first))
                    images = images.to(dtype)
                    expected = input_gradient(reference, images, labels)
                    for _ in range(WARM_UP if first == 0 else 1):
                        seen = input_gradient(program, images, labels)
                    same = (reference.counts == program.counts).flatten(1).all(1)
                    largest = expected.logits.abs().amax(1, keepdim=True)
                    differences = ((seen.logits - expected.logits).abs() / largest)[same]
                    gradients = (seen.gradient - expected.gradient).abs()[same]
                    found["images"] += len(images)
                    found["same"] += int(same.sum())
                    found["equalBits"] += int((seen.logits == expected.logits).all(1).sum())
                    if len(differences):
                        found["logits"] = max(found["logits"], float(differences.max()))
                        found["gradient"] = max(found["gradient"], float(gradients.max()))
                    found["signs"] += int((seen.gradient.sign() != expected.gradient.sign())[same].sum())
                    found["pixels"] += int(expected.gradient[same].numel())
            results[f"{str(dtype).removeprefix('torch.')} {'optimised' if optimised else 'plain'}"] = found
    return results


def tensors_of(value: object) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, (list, tuple)):
        return [tensor for item in value for tensor in tensors_of(item)]
    return [tensor for item in value.values() for tensor in tensors_of(item)] if isinstance(value, dict) else []


def outputs(files: list[str]) -> dict:
    found = {}
    for path in files:
        shape = next(shape for part, shape in PROBES.items() if part in os.path.basename(path))
        try:
            values = tensors_of(torch.jit.load(path).eval()(probe(shape)))
        except RuntimeError as error:
            # An object of a class of TorchScript's own does not come out into Python.
            found[os.path.basename(path)] = {"error": str(error).splitlines()[0]}
            continue
        found[os.path.basename(path)] = {
            "probe": {"shape": shape, "values": probe(shape).flatten().tolist()},
            "outputs": [{"shape": list(value.shape), "values": value.flatten().tolist()} for value in values],
        }
    return found


def main() -> None:
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    comparing = commands.add_parser("compare")
    for name in ("checkpoint", "archive"):
        comparing.add_argument(name)
    comparing.add_argument("network", choices=sorted(NETWORKS))
    for name in ("dataset", "data"):
        comparing.add_argument(name)
    comparing.add_argument("count", type=int)
    commands.add_parser("outputs").add_argument("files", nargs="+")
    arguments = parser.parse_args()
    json.dump(compare(arguments) if arguments.command == "compare" else outputs(arguments.files), sys.stdout)


if __name__ == "__main__":
    main()
