"""The original HIRE-SNN network in plain PyTorch, step by step.

The time steps are the outer loop and the layers the inner one, as in the published code, and each step does what that
code does in it: the image is convolved again, masks are multiplied even where they are all ones, and spikes are counted.
It is the yardstick for results and for speed, so nothing here is rearranged to be faster.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class Network:
    """An architecture: convolutions by their channels, "A" for a pool, then the sizes of the linear layers.

    A residual network has (channels, blocks) of each of its residual layers behind the convolutions, and no hidden linear layer.
    """

    name: str
    features: tuple[int | str, ...]
    hidden: tuple[int, ...]
    classes: int
    input_shape: tuple[int, int, int] = (3, 32, 32)
    kernel: int = 3
    residual: tuple[tuple[int, int], ...] = ()

    @staticmethod
    def parse(text: str, input_shape: tuple[int, int, int]) -> "Network":
        """Reads the compact form, "8,A,16,16,A/64,10" or "8,A,R8x2,R16/10"."""
        features, linear = text.split("/")
        *hidden, classes = (int(size) for size in linear.split(","))
        entries = features.split(",")
        residual = [(entry[1:] + "x1").split("x")[:2] for entry in entries if entry.startswith("R")]
        return Network(
            text,
            tuple(entry if entry == "A" else int(entry) for entry in entries if not entry.startswith("R")),
            tuple(hidden),
            classes,
            input_shape,
            residual=tuple((int(channels), int(blocks)) for channels, blocks in residual),
        )


def vgg5(classes: int) -> Network:
    return Network("VGG5", (64, "A", 128, 128, "A"), (4096, 4096), classes)


def vgg11(classes: int) -> Network:
    return Network("VGG11", (64, "A", 128, 256, "A", 512, 512, 512, "A", 512, 512), (4096, 4096), classes)


def vgg16(classes: int) -> Network:
    features = (64, 64, "A", 128, 128, "A", 256, 256, 256, "A", 512, 512, 512, "A", 512, 512, 512)
    return Network("VGG16", features, (4096, 4096), classes)


class PiecewiseLinearSpike(torch.autograd.Function):
    """Fires where u > 0. Its surrogate derivative is gamma * max(0, 1 - |u|) (Bellec et al. 2018)."""

    GAMMA = 0.3

    @staticmethod
    def forward(ctx, u: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(u)
        return (u > 0).to(u.dtype)

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> torch.Tensor:
        (u,) = ctx.saved_tensors
        return PiecewiseLinearSpike.GAMMA * (1 - u.abs()).clamp(min=0) * gradient


@dataclass(frozen=True)
class Firing:
    """What one layer did in one time step. The membrane is the one that u = membrane / threshold - 1 was taken of, before the reset."""

    layer: str
    step: int
    current: torch.Tensor
    membrane: torch.Tensor | None
    u: torch.Tensor | None
    output: torch.Tensor


Observer = Callable[[Firing], None]

GivenMask = Callable[[str, torch.Size], torch.Tensor]
"""The dropout mask of a layer by its name, of the shape of its spikes, [N, ...]."""


class SpikingVGG(nn.Module):
    """The spiking network on normalised images; parameters are named as in the original's checkpoints."""

    def __init__(self, network: Network, timesteps: int, dropout: float = 0.2):
        super().__init__()
        self.network = network
        self.timesteps = timesteps
        self.features, self.classifier = _build(network, dropout)
        self.threshold = nn.ParameterDict()
        self.leak = nn.ParameterDict()
        # Thresholds and leaks are numbered by module index, on through both parts; the last linear layer has neither.
        self.layer_names: dict[int, str] = {}
        counts = {"conv": 0, "pool": 0, "linear": 0}
        modules = [*self.features, *self.classifier]
        for index, module in enumerate(modules):
            kind = {nn.Conv2d: "conv", nn.AvgPool2d: "pool", nn.Linear: "linear"}.get(type(module))
            if kind is None:
                continue
            counts[kind] += 1
            last = index == len(modules) - 1
            self.layer_names[index] = "output" if last else f"{kind}{counts[kind]}"
            if kind != "pool" and not last:
                self.threshold[f"t{index}"] = nn.Parameter(torch.tensor(1.0))
                self.leak[f"l{index}"] = nn.Parameter(torch.tensor(1.0))
        self.spike_count: dict[int, torch.Tensor] = {}
        # Gives the dropout masks where they are not to be drawn, for comparisons.
        self.given_mask: GivenMask | None = None

    def initialise(self, generator: torch.Generator) -> None:
        initialise_weights(self, generator)

    def spiking_layers(self) -> list[tuple[int, str, nn.Module]]:
        """(module index, name, module) of the layers that have neurons, in the order of computation."""
        modules = [*self.features, *self.classifier]
        return [(int(key[1:]), self.layer_names[int(key[1:])], modules[int(key[1:])]) for key in self.threshold]

    def forward(self, images: torch.Tensor, observe: Observer | None = None) -> torch.Tensor:
        """`images` is [N, C, H, W], shown at every time step, or [T, N, C, H, W]."""
        frames = images if images.dim() == 5 else [images] * self.timesteps
        membrane, mask = self._prepare(frames[0])
        offset = len(self.features)
        for step in range(self.timesteps):
            out = frames[step]
            for index, module in enumerate(self.features):
                out = self._step(index, module, out, membrane, mask, step, observe)
            out = out.reshape(len(out), -1)
            for index, module in enumerate(self.classifier[:-1]):
                out = self._step(offset + index, module, out, membrane, mask, step, observe)
            output = offset + len(self.classifier) - 1
            current = self.classifier[-1](out)
            membrane[output] = membrane[output] + current
            if observe:
                observe(Firing("output", step, current, membrane[output], None, current))
        return membrane[output]

    def _prepare(self, images: torch.Tensor) -> tuple[dict[int, torch.Tensor], dict[int, torch.Tensor]]:
        """Membranes at rest, counters at zero, and one dropout mask for the whole call (all ones in evaluation)."""
        membrane, mask = {}, {}
        self.spike_count = {}
        shape = images.shape
        offset = len(self.features)
        for index, module in enumerate([*self.features, *self.classifier]):
            if index == offset:
                shape = torch.Size((shape[0], shape[1:].numel()))
            if isinstance(module, nn.Conv2d):
                shape = torch.Size((shape[0], module.out_channels, *shape[2:]))
                membrane[index] = images.new_zeros(shape)
            elif isinstance(module, nn.Linear):
                shape = torch.Size((shape[0], module.out_features))
                membrane[index] = images.new_zeros(shape)
            elif isinstance(module, nn.ReLU):
                self.spike_count[index] = images.new_zeros(shape)
            elif isinstance(module, nn.AvgPool2d):
                shape = torch.Size((*shape[:2], shape[2] // 2, shape[3] // 2))
                self.spike_count[index] = images.new_zeros(shape)
            elif isinstance(module, nn.Dropout):
                # The layer of a dropout is two modules before it, behind which its ReLU stands.
                name = self.layer_names[index - 2]
                mask[index] = (
                    self.given_mask(name, shape).to(images.dtype) if self.given_mask else module(images.new_ones(shape))
                )
        return membrane, mask

    def _step(
        self,
        index: int,
        module: nn.Module,
        incoming: torch.Tensor,
        membrane: dict[int, torch.Tensor],
        mask: dict[int, torch.Tensor],
        step: int,
        observe: Observer | None,
    ) -> torch.Tensor:
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            threshold, leak = self.threshold[f"t{index}"], self.leak[f"l{index}"]
            current = module(incoming)
            integrated = leak * membrane[index] + current
            u = integrated / threshold - 1
            spikes = PiecewiseLinearSpike.apply(u)
            # The reset counts the spikes as constants: no gradient passes through the comparison.
            membrane[index] = integrated - threshold * (u > 0).to(u.dtype)
            if observe:
                observe(Firing(self.layer_names[index], step, current, integrated, u, spikes))
            return spikes
        if isinstance(module, nn.ReLU):
            # Holds the place of the ANN's activation, and counts: spikes are already what it would let through.
            self.spike_count[index] = self.spike_count[index] + incoming.detach()
            # The original hands on a copy; it is part of what its step costs.
            return incoming.clone()
        if isinstance(module, nn.AvgPool2d):
            pooled = module(incoming)
            self.spike_count[index] = self.spike_count[index] + (pooled.detach() != 0)
            if observe:
                observe(Firing(self.layer_names[index], step, pooled, None, None, pooled))
            return pooled
        return incoming * mask[index]


@torch.no_grad()
def initialise_weights(model: nn.Module, generator: torch.Generator) -> None:
    """The original's initial weights: conv N(0, sqrt(2 / (k k C_out))), linear N(0, 0.01)."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            spread = (2.0 / (module.kernel_size[0] * module.kernel_size[1] * module.out_channels)) ** 0.5
            module.weight.normal_(0, spread, generator=generator)
        elif isinstance(module, nn.Linear):
            module.weight.normal_(0, 0.01, generator=generator)


def feature_modules(network: Network, dropout: float) -> tuple[nn.Sequential, tuple[int, int, int]]:
    """The convolutions and pools, and the shape of what they give."""
    channels, height, width = network.input_shape
    features: list[nn.Module] = []
    for entry in network.features:
        if entry == "A":
            # A pool takes the place of the dropout behind the previous ReLU, so that each convolution takes three indices.
            features[-1] = nn.AvgPool2d(kernel_size=2, stride=2)
            height, width = height // 2, width // 2
        else:
            padding = (network.kernel - 1) // 2
            features += [
                nn.Conv2d(channels, entry, network.kernel, padding=padding, stride=1, bias=False),
                nn.ReLU(),
                nn.Dropout(dropout),
            ]
            channels = entry
    return nn.Sequential(*features), (channels, height, width)


def _build(network: Network, dropout: float) -> tuple[nn.Sequential, nn.Sequential]:
    features, (channels, height, width) = feature_modules(network, dropout)
    classifier: list[nn.Module] = []
    size = channels * height * width
    for hidden in network.hidden:
        classifier += [nn.Linear(size, hidden, bias=False), nn.ReLU(), nn.Dropout(dropout)]
        size = hidden
    classifier.append(nn.Linear(size, network.classes, bias=False))
    return features, nn.Sequential(*classifier)


class NormalisedClassifier:
    """A spiking network on images in [0, 1]: subtracts the mean and divides by the standard deviation by hand, in front of it."""

    def __init__(self, model: SpikingVGG, mean: list[float], std: list[float]):
        self.model = model.eval().requires_grad_(False)
        dtype = next(model.parameters()).dtype
        self.mean = torch.tensor(mean, dtype=dtype).reshape(1, -1, 1, 1)
        self.std = torch.tensor(std, dtype=dtype).reshape(1, -1, 1, 1)

    def __call__(self, images: torch.Tensor, observe: Observer | None = None) -> torch.Tensor:
        return self.model((images - self.mean) / self.std, observe)


def save_checkpoint(model: SpikingVGG, path: str) -> None:
    """Writes the original's form: the bare state_dict in the stream that PyTorch wrote before 1.6."""
    torch.save(model.state_dict(), path, _use_new_zipfile_serialization=False)


def load_checkpoint(model: SpikingVGG, path: str) -> None:
    model.load_state_dict(torch.load(path, weights_only=True), strict=True)
