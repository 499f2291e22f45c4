"""FGSM and PGD as the original runs them: L-infinity, untargeted, in pixel space, on every image."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from philox import uniform

Model = Callable[[torch.Tensor], torch.Tensor]

EPSILON = 0.031
PGD_STEPS = 7
PGD_STEP_SIZE = 0.01


@dataclass(frozen=True)
class Gradient:
    gradient: torch.Tensor
    losses: torch.Tensor
    logits: torch.Tensor


def input_gradient(model: Model, images: torch.Tensor, labels: torch.Tensor) -> Gradient:
    """Cross-entropy of each image and the gradient of their sum by the pixels."""
    images = images.detach().requires_grad_(True)
    logits = model(images)
    losses = F.cross_entropy(logits, labels, reduction="none")
    (gradient,) = torch.autograd.grad(losses.sum(), images)
    return Gradient(gradient, losses.detach(), logits.detach())


def fgsm_step(images: torch.Tensor, gradient: torch.Tensor, epsilon: float = EPSILON) -> torch.Tensor:
    return (images + _float32(epsilon) * gradient.sign()).clamp(0, 1)


def fgsm(model: Model, images: torch.Tensor, labels: torch.Tensor, epsilon: float = EPSILON) -> torch.Tensor:
    return fgsm_step(images, input_gradient(model, images, labels).gradient, epsilon)


def pgd_start(images: torch.Tensor, first_sample: int, seed: int, epsilon: float = EPSILON) -> torch.Tensor:
    samples = np.arange(first_sample, first_sample + len(images))
    draw = uniform(seed, samples, images[0].numel(), "pgd")
    noise = ((2 * draw - 1) * _float32(epsilon)).astype(np.float32)
    return (images + torch.from_numpy(noise).reshape(images.shape)).clamp(0, 1)


def pgd_step(
    images: torch.Tensor,
    current: torch.Tensor,
    gradient: torch.Tensor,
    epsilon: float = EPSILON,
    step_size: float = PGD_STEP_SIZE,
) -> torch.Tensor:
    moved = current + _float32(step_size) * gradient.sign()
    moved = torch.maximum(images - _float32(epsilon), moved)
    moved = torch.minimum(images + _float32(epsilon), moved)
    return moved.clamp(0, 1)


def pgd(model: Model, images: torch.Tensor, labels: torch.Tensor, first_sample: int, seed: int) -> torch.Tensor:
    current = pgd_start(images, first_sample, seed)
    for _ in range(PGD_STEPS):
        current = pgd_step(images, current, input_gradient(model, current, labels).gradient)
    return current


def correct(logits: torch.Tensor, labels: torch.Tensor, k: int = 1) -> torch.Tensor:
    """Top-k with a rule for ties: larger logits, and equal ones with a smaller index, stand before the label's."""
    own = logits.gather(1, labels[:, None])
    index = torch.arange(logits.shape[1])
    before = (logits > own) | ((logits == own) & (index < labels[:, None]))
    return before.sum(1) < k


def _float32(value: float) -> float:
    return float(np.float32(value))
