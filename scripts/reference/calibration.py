"""Thresholds found layer by layer, as DIET-SNN and HIRE-SNN find them before training."""

import torch
from torch import nn

from snn import SpikingVGG


def percentile(values: torch.Tensor, fraction: float) -> float:
    """The kth smallest value with k = 1 + round(fraction * (n - 1))."""
    flat = values.reshape(-1)
    return flat.kthvalue(1 + round(fraction * (flat.numel() - 1))).values.item()


@torch.no_grad()
def calibrate(model: SpikingVGG, normalised: torch.Tensor, fraction: float = 0.997, scale: float = 0.6) -> None:
    """Sets each threshold to `scale` times the largest percentile, over the time steps, of the layer's pre-activation.

    Layer by layer, with earlier layers already spiking at the thresholds found for them (leak 1, not yet scaled). A
    layer's output at all time steps is kept for the next one, so each layer is computed once.
    """
    incoming = [normalised] * model.timesteps
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
