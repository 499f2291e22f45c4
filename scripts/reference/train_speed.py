"""Times a traditional training step of VGG5 in PyTorch, layer by layer over all time steps.

    python train_speed.py vgg5|vgg11 CHECKPOINT [--batch N] [--timesteps T] [--steps N] [--threads N]

The fastest plain arrangement of the reference: the first convolution once, every other layer on all time steps in one call, the
neurons step by step. Prints JSON: seconds of each step after the first, forward, backward and Adam together; and the first loss.
"""

import argparse
import json
import time

import torch
import torch.nn.functional as F
from torch import nn

from snn import PiecewiseLinearSpike, SpikingVGG, load_checkpoint, vgg5, vgg11


def layer_by_layer(model: SpikingVGG, images: torch.Tensor) -> torch.Tensor:
    steps = model.timesteps
    signal, constant = images, True
    modules = [*model.features, nn.Flatten(), *model.classifier]
    index = -1
    for module in modules:
        if not isinstance(module, nn.Flatten):
            index += 1
        if isinstance(module, nn.ReLU):
            continue
        if isinstance(module, nn.Dropout):
            mask = module(torch.ones_like(signal[: len(images)]))
            signal = (signal.unflatten(0, (steps, -1)) * mask).flatten(0, 1)
            continue
        signal = module(signal)
        if f"t{index}" not in model.threshold or not isinstance(module, (nn.Conv2d, nn.Linear)):
            continue
        threshold, leak = model.threshold[f"t{index}"], model.leak[f"l{index}"]
        currents = signal.expand(steps, *signal.shape) if constant else signal.unflatten(0, (steps, -1))
        constant = False
        membrane = torch.zeros_like(currents[0])
        spikes = []
        for current in currents:
            integrated = leak * membrane + current
            u = integrated / threshold - 1
            spikes.append(PiecewiseLinearSpike.apply(u))
            membrane = integrated - threshold * (u > 0).to(u.dtype)
        signal = torch.cat(spikes)
    return signal.unflatten(0, (steps, -1)).sum(0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("network", choices=["vgg5", "vgg11"])
    parser.add_argument("checkpoint")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--timesteps", type=int, default=6)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    network = vgg5(10) if arguments.network == "vgg5" else vgg11(100)
    model = SpikingVGG(network, arguments.timesteps)
    load_checkpoint(model, arguments.checkpoint)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4, amsgrad=True)
    images = torch.rand(arguments.batch, *network.input_shape) * 4 - 2
    labels = torch.arange(arguments.batch) % network.classes
    model.eval()
    with torch.no_grad():
        difference = (layer_by_layer(model, images[:8]) - model(images[:8])).abs().max().item()
    model.train()
    seconds = []
    for _ in range(arguments.steps + 1):
        started = time.perf_counter()
        loss = F.cross_entropy(layer_by_layer(model, images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            for leak in model.leak.values():
                leak.clamp_(max=1)
        seconds.append(time.perf_counter() - started)
    print(json.dumps({"seconds": seconds[1:], "difference": difference, "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main()
