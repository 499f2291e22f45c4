"""A firing step whose surrogate gradient survives in TorchScript.

A surrogate that is written as torch.autograd.Function is lost: torch.jit.script refuses it, and torch.jit.trace records its
forward pass alone. Out of operators and detach() it stays: the second term is exactly zero forwards, and backwards
autograd multiplies by `slope`.
"""

from collections.abc import Callable

import torch

Slope = Callable[[torch.Tensor], torch.Tensor]


def fire(u: torch.Tensor, slope: Slope) -> torch.Tensor:
    """1 where u > 0, else 0; its gradient by u is slope(u)."""
    still = u.detach()
    return (still > 0).to(u.dtype) + (u - still) * slope(still)


def fire_at_or_above(u: torch.Tensor, slope: Slope) -> torch.Tensor:
    """As fire(), but 1 where u >= 0, as in SpikingJelly."""
    still = u.detach()
    return (still >= 0).to(u.dtype) + (u - still) * slope(still)


def piecewise_linear(u: torch.Tensor) -> torch.Tensor:
    return 0.3 * (1 - u.abs()).clamp(min=0)


def fast_sigmoid(u: torch.Tensor, k: float = 25) -> torch.Tensor:
    """snnTorch's surrogate.fast_sigmoid(k)."""
    return 1 / (k * u.abs() + 1) ** 2


def super_spike(u: torch.Tensor) -> torch.Tensor:
    """Norse's "super", whose alpha is not used as of 1.1.0."""
    return 1 / (u.abs() + 1) ** 2


def sigmoid(u: torch.Tensor, a: float = 4) -> torch.Tensor:
    """SpikingJelly's surrogate.Sigmoid(a)."""
    s = torch.sigmoid(a * u)
    return a * s * (1 - s)
