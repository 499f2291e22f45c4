"""HIRE's training step in plain PyTorch, by autograd through the network as the original computes it.

The dropout masks are those of the package: kept where Philox's number, keyed by seed, sample, layer and pass, is at least the
probability; so both sides train the same network on the same noise. So are the draws of rate coding, keyed by seed, sample, time step
and a pass that follows from epoch and period.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from cifar import Cifar
from philox import uniform
from rate_coding import MEAN, STD, straight_through, uniform_steps
from resnet import SpikingResNet
from snn import GivenMask, SpikingVGG

PERIODS = 2
NOISE_STEP = NOISE_BOUND = 8 / 255
DROPOUT = 0.2
SEED = 11
EPOCH = 3
"""Of the mini-batch: what decides the draws of rate coding."""
LEARNING_RATE = 1e-3
MOST_VALUES = 1 << 18
"""Of a tensor: of a larger one every so many values are kept, so that files stay small."""


def dropout_masks(first: int, number: int) -> GivenMask:
    """Of 0 and 1 / (1 - p), for the samples from `first` on in the pass of that number."""

    def mask(layer: str, shape: torch.Size) -> torch.Tensor:
        samples = np.arange(first, first + shape[0])
        drawn = uniform(SEED, samples, shape[1:].numel(), f"dropout/{layer}", number)
        return torch.from_numpy(drawn >= DROPOUT).reshape(shape).double() / (1 - DROPOUT)

    return mask


def thinned(values: torch.Tensor) -> torch.Tensor:
    """At most MOST_VALUES values at equal distances.

    The distance has no divisor in common with the tensor's sizes, so that values of every tap, input and output are among them.
    """
    flat = values.detach().reshape(-1)
    distance = -(-flat.numel() // MOST_VALUES)
    while math.gcd(distance, flat.numel()) > 1:
        distance += 1
    return flat[::distance].clone()


Shown = Callable[[torch.Tensor, int], torch.Tensor]
"""From images in [0, 1] and the period to what the network sees: [N, C, H, W], or [T, N, C, H, W]."""


def direct(data: Cifar) -> Shown:
    return lambda images, period: data.normalise(images)


def rate(model: SpikingVGG | SpikingResNet, first: int) -> Shown:
    """Of a mini-batch of EPOCH; its gradient is the straight-through one."""

    def shown(images: torch.Tensor, period: int) -> torch.Tensor:
        samples = np.arange(first, first + len(images))
        drawn = uniform_steps(SEED, samples, model.timesteps, images[0].numel(), 2 * (EPOCH * PERIODS + period))
        return straight_through((images - MEAN) / STD, drawn)

    return shown


def hire_step(
    model: SpikingVGG | SpikingResNet, coding: Shown, images: torch.Tensor, labels: torch.Tensor, first: int
) -> list[dict[str, torch.Tensor]]:
    """One mini-batch: for each period the losses, logits, image gradient, and all gradients and parameters after the update."""
    model.train()
    model.timesteps //= PERIODS
    parameters = dict(model.named_parameters())
    optimiser = torch.optim.Adam(parameters.values(), lr=LEARNING_RATE, amsgrad=True)
    noise = torch.zeros_like(images)
    periods = []
    for period in range(PERIODS):
        model.given_mask = dropout_masks(first, 2 * period)
        shown = (images + noise).clamp(0, 1).requires_grad_()
        logits = model(coding(shown, period))
        losses = F.cross_entropy(logits, labels, reduction="none")
        optimiser.zero_grad()
        losses.mean().backward()
        gradients = {name: thinned(parameter.grad) for name, parameter in parameters.items()}
        optimiser.step()
        with torch.no_grad():
            for leak in model.leak.values():
                leak.clamp_(max=1)
        noise = (noise + NOISE_STEP * shown.grad.sign()).clamp(-NOISE_BOUND, NOISE_BOUND)
        periods.append(
            {"losses": losses.detach(), "logits": logits.detach(), "imageGradient": shown.grad.clone()}
            | {f"gradient.{name}": value for name, value in gradients.items()}
            | {f"parameter.{name}": thinned(value) for name, value in parameters.items()}
        )
    return periods
