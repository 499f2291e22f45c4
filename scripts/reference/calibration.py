"""Thresholds found layer by layer, as DIET-SNN and HIRE-SNN find them before training."""

import torch
from torch import nn

from resnet import SpikingResNet
from snn import Firing, SpikingVGG


def percentile(values: torch.Tensor, fraction: float) -> float:
    """The kth smallest value with k = 1 + round(fraction * (n - 1))."""
    flat = values.reshape(-1)
    return flat.kthvalue(1 + round(fraction * (flat.numel() - 1))).values.item()


@torch.no_grad()
def calibrate(model: SpikingVGG, normalised: torch.Tensor, fraction: float = 0.997, scale: float = 0.6) -> None:
    """Sets each threshold to `scale` times the largest percentile, over the time steps, of the layer's pre-activation.

    Layer by layer, with earlier layers already spiking at the thresholds found for them (leak 1, not yet scaled). A
    layer's output at all time steps is kept for the next one, so each layer is computed once. `normalised` is [N, C, H, W], shown at every
    time step, or [T, N, C, H, W].
    """
    incoming = list(normalised) if normalised.dim() == 5 else [normalised] * model.timesteps
    found: dict[str, float] = {}
    offset = len(model.features)
    for index, module in enumerate([*model.features, *model.classifier]):
        if index == offset:
            incoming = [step.reshape(len(step), -1) for step in incoming]
        if isinstance(module, nn.AvgPool2d):
            incoming = [module(step) for step in incoming]
        elif f"t{index}" in model.threshold:
            currents = [module(step) for step in incoming]
            threshold = max(percentile(current, fraction) for current in currents)
            found[f"t{index}"] = threshold
            membrane = torch.zeros_like(currents[0])
            incoming = []
            for current in currents:
                membrane = membrane + current
                fired = (membrane / threshold - 1 > 0).to(membrane.dtype)
                membrane = membrane - threshold * fired
                incoming.append(fired)
    for name, threshold in found.items():
        if not threshold > 0:
            raise ValueError(f"Expected a positive threshold {name} but found {threshold}")
        model.threshold[name].fill_(scale * threshold)


@torch.no_grad()
def calibrate_residual(model: SpikingResNet, normalised: torch.Tensor, fraction: float = 0.997, scale: float = 0.6) -> None:
    """The same for a residual network, whose layers have two inputs: one pass through the network for each layer.

    DIET-SNN finds only those of the stem and starts the blocks' at a constant, from which training goes on; untrained blocks are silent or
    saturated there.
    """
    for parameter in model.threshold.values():
        parameter.fill_(1.0)
    for name, parameter in model.threshold.items():
        layer = model.layer_names[int(name[1:])]
        found: list[float] = []

        def watch(firing: Firing, layer: str = layer, found: list[float] = found) -> None:
            if firing.layer == layer:
                found.append(percentile(firing.current, fraction))

        model(normalised, watch)
        if not max(found) > 0:
            raise ValueError(f"Expected a positive threshold {name} but found {max(found)}")
        parameter.fill_(max(found))
    for parameter in model.threshold.values():
        parameter.mul_(scale)
