"""HIRE's training step in plain PyTorch, by autograd through the network as the original computes it.

The dropout masks are those of the package: kept where Philox's number, keyed by seed, sample, layer and pass, is at least the
probability; so both sides train the same network on the same noise. So are the draws of rate coding, keyed by seed, sample, time step
and a pass that follows from epoch and period.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from cifar import Cifar
from philox import uniform
from rate_coding import MEAN, STD, straight_through, uniform_steps
from snn import SpikingVGG

PERIODS = 2
NOISE_STEP = NOISE_BOUND = 8 / 255
DROPOUT = 0.2
SEED = 11
EPOCH = 3
"""Of the mini-batch: what decides the draws of rate coding."""
LEARNING_RATE = 1e-3
MOST_VALUES = 1 << 20
"""Of a tensor: of a larger one every so many values are kept, so that files stay small."""


def dropout_masks(model: SpikingVGG, first: int, count: int, number: int) -> dict[str, torch.Tensor]:
    """[N, ...] of 0 and 1 / (1 - p) for each layer that dropout follows."""
    masks = {}
    shape = model.network.input_shape
    modules = [*model.features, *model.classifier]
    for index, module in enumerate(modules):
        if isinstance(module, torch.nn.Conv2d):
            shape = (module.out_channels, *shape[1:])
        elif isinstance(module, torch.nn.AvgPool2d):
            shape = (shape[0], shape[1] // 2, shape[2] // 2)
        elif isinstance(module, torch.nn.Linear):
            shape = (module.out_features,)
        elif isinstance(module, torch.nn.Dropout):
            name = model.layer_names[index - 2]
            samples = np.arange(first, first + count)
            drawn = uniform(SEED, samples, int(np.prod(shape)), f"dropout/{name}", number)
            kept = torch.from_numpy(drawn >= DROPOUT).reshape(count, *shape)
            masks[name] = kept.double() / (1 - DROPOUT)
    return masks


def thinned(values: torch.Tensor) -> torch.Tensor:
    """At most MOST_VALUES values at equal distances."""
    flat = values.detach().reshape(-1)
    return flat[:: -(-flat.numel() // MOST_VALUES)].clone()


Shown = Callable[[torch.Tensor, int], torch.Tensor]
"""From images in [0, 1] and the period to what the network sees: [N, C, H, W], or [T, N, C, H, W]."""


def direct(data: Cifar) -> Shown:
    return lambda images, period: data.normalise(images)


def rate(model: SpikingVGG, first: int) -> Shown:
    """Of a mini-batch of EPOCH; its gradient is the straight-through one."""

    def shown(images: torch.Tensor, period: int) -> torch.Tensor:
        samples = np.arange(first, first + len(images))
        drawn = uniform_steps(SEED, samples, model.timesteps, images[0].numel(), 2 * (EPOCH * PERIODS + period))
        return straight_through((images - MEAN) / STD, drawn)

    return shown


def hire_step(
    model: SpikingVGG, coding: Shown, images: torch.Tensor, labels: torch.Tensor, first: int
) -> list[dict[str, torch.Tensor]]:
    """One mini-batch: for each period the losses, logits, image gradient, and all gradients and parameters after the update."""
    model.train()
    model.timesteps //= PERIODS
    parameters = dict(model.named_parameters())
    optimiser = torch.optim.Adam(parameters.values(), lr=LEARNING_RATE, amsgrad=True)
    noise = torch.zeros_like(images)
    periods = []
    for period in range(PERIODS):
        model.given_masks = dropout_masks(model, first, len(images), 2 * period)
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
