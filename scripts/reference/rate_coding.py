"""Rate (Poisson) coding as hybrid-snn-conversion has it: sign(x) * [u <= |x|], drawn afresh at each time step."""

import numpy as np
import torch

from philox import philox4x32, stream_id

MEAN, STD = 0.5, 0.5


def uniform_steps(seed: int, samples: np.ndarray, timesteps: int, elements: int, draw: int) -> np.ndarray:
    """[timesteps, samples, elements] numbers of [0, 1); blocks of four elements count on over the time steps."""
    blocks = (elements + 3) // 4
    counter = np.empty((len(samples) * timesteps * blocks, 4), dtype=np.uint32)
    counter[:, 0] = np.repeat(np.asarray(samples, dtype=np.uint32), timesteps * blocks)
    counter[:, 1] = np.tile(np.arange(timesteps * blocks, dtype=np.uint32), len(samples))
    counter[:, 2] = stream_id("rate-coding")
    counter[:, 3] = draw
    words = philox4x32(counter, (seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF))
    words = words.reshape(len(samples), timesteps, blocks * 4)[:, :, :elements].transpose(1, 0, 2)
    return (words >> np.uint32(8)).astype(np.float64) * 2.0**-24


def rate_coded(x: torch.Tensor, uniform: np.ndarray) -> torch.Tensor:
    """[T, N, C, H, W] of -1, 0 and 1. Autograd finds no way through: sign and comparison have derivatives of zero."""
    u = torch.from_numpy(uniform).to(x.dtype).reshape(len(uniform), *x.shape)
    return torch.sign(x) * (u <= x.abs()).to(x.dtype)


def straight_through(x: torch.Tensor, uniform: np.ndarray) -> torch.Tensor:
    """The same numbers, with the derivative of x itself at every time step."""
    return rate_coded(x.detach(), uniform) + (x - x.detach())
