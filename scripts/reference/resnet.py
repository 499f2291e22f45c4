"""The spiking residual networks of DIET-SNN (RESNET_SNN_STDB) in plain PyTorch, step by step, as snn.py has the VGG networks."""

import torch
from torch import nn

from snn import Firing, GivenMask, Network, Observer, PiecewiseLinearSpike, SpikingVGG, feature_modules, initialise_weights


def resnet12(classes: int) -> Network:
    return _resnet("ResNet12", (1, 1, 1, 1), classes)


def resnet20(classes: int) -> Network:
    return _resnet("ResNet20", (2, 2, 2, 2), classes)


def _resnet(name: str, blocks: tuple[int, ...], classes: int) -> Network:
    residual = tuple((64 * 2**index, count) for index, count in enumerate(blocks))
    return Network(name, (64, 64, 64, "A"), (), classes, residual=residual)


class Block(nn.Module):
    """Holds the weights of a block under the names of the original's checkpoints."""

    def __init__(self, incoming: int, channels: int, stride: int, dropout: float, kernel: int):
        super().__init__()
        padding = (kernel - 1) // 2
        self.residual = nn.Sequential(
            nn.Conv2d(incoming, channels, kernel, padding=padding, stride=stride, bias=False),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv2d(channels, channels, kernel, padding=padding, stride=1, bias=False),
        )
        same = stride == 1 and incoming == channels
        self.identity = nn.Sequential() if same else nn.Sequential(
            nn.Conv2d(incoming, channels, 1, stride=stride, bias=False)
        )


class SpikingResNet(nn.Module):
    """The spiking network on normalised images; parameters are named as in the original's checkpoints."""

    def __init__(self, network: Network, timesteps: int, dropout: float = 0.2):
        super().__init__()
        self.network = network
        self.timesteps = timesteps
        channels, height, width = network.input_shape
        self.pre_process, (channels, height, width) = feature_modules(network, dropout)
        self.layer_names: dict[int, str] = {}
        self.threshold = nn.ParameterDict()
        self.leak = nn.ParameterDict()
        counts = {nn.Conv2d: 0, nn.AvgPool2d: 0}
        for index, module in enumerate(self.pre_process):
            if type(module) in counts:
                counts[type(module)] += 1
                kind = "conv" if isinstance(module, nn.Conv2d) else "pool"
                self.layer_names[index] = f"{kind}{counts[type(module)]}"
        position = len(self.pre_process)
        for layer, (wider, blocks) in enumerate(network.residual, start=1):
            members = []
            for block in range(blocks):
                stride = 2 if layer > 1 and block == 0 else 1
                members.append(Block(channels, wider, stride, dropout, network.kernel))
                channels, height, width = wider, (height - 1) // stride + 1, (width - 1) // stride + 1
                for part in (1, 2):
                    self.layer_names[position] = f"layer{layer}.{block}.conv{part}"
                    position += 1
            setattr(self, f"layer{layer}", nn.Sequential(*members))
        self.layer_names[position] = "output"
        self.classifier = nn.Sequential(nn.Linear(channels * height * width, network.classes, bias=False))
        for index, name in self.layer_names.items():
            if not name.startswith("pool") and name != "output":
                self.threshold[f"t{index}"] = nn.Parameter(torch.tensor(1.0))
                self.leak[f"l{index}"] = nn.Parameter(torch.tensor(1.0))
        self.spike_count: dict[int, torch.Tensor] = {}
        # Gives the dropout masks where they are not to be drawn, for comparisons.
        self.given_mask: GivenMask | None = None

    def initialise(self, generator: torch.Generator) -> None:
        initialise_weights(self, generator)

    def blocks(self) -> list[Block]:
        return [block for layer in range(len(self.network.residual)) for block in getattr(self, f"layer{layer + 1}")]

    def forward(self, images: torch.Tensor, observe: Observer | None = None) -> torch.Tensor:
        """`images` is [N, C, H, W], shown at every time step, or [T, N, C, H, W]."""
        frames = images if images.dim() == 5 else [images] * self.timesteps
        # Membranes at rest; one dropout mask for the whole call, drawn where its layer is first reached.
        membrane: dict[int, torch.Tensor] = {}
        mask: dict[int, torch.Tensor] = {}
        self.spike_count = {}
        logits = 0
        for step in range(self.timesteps):
            out = frames[step]
            for index, module in enumerate(self.pre_process):
                if isinstance(module, nn.Conv2d):
                    out = self._fire(index, module(out), membrane, step, observe)
                elif isinstance(module, nn.AvgPool2d):
                    out = module(out)
                    self._count(index, (out.detach() != 0).to(out.dtype))
                    if observe:
                        observe(Firing(self.layer_names[index], step, out, None, None, out))
                elif isinstance(module, nn.Dropout):
                    # The layer of a dropout is two modules before it, behind which its ReLU stands.
                    out = self._drop(index - 2, module, out, mask)
            position = len(self.pre_process)
            for block in self.blocks():
                spikes = out
                out = self._fire(position, block.residual[0](spikes), membrane, step, observe)
                out = self._drop(position, block.residual[2], out, mask)
                current = block.residual[3](out) + block.identity(spikes)
                out = self._fire(position + 1, current, membrane, step, observe)
                position += 2
            current = self.classifier[0](out.reshape(len(out), -1))
            logits = logits + current
            if observe:
                observe(Firing("output", step, current, logits, None, current))
        return logits

    def _fire(
        self, index: int, current: torch.Tensor, membrane: dict[int, torch.Tensor], step: int, observe: Observer | None
    ) -> torch.Tensor:
        threshold, leak = self.threshold[f"t{index}"], self.leak[f"l{index}"]
        before = membrane.get(index)
        integrated = leak * (torch.zeros_like(current) if before is None else before) + current
        u = integrated / threshold - 1
        spikes = PiecewiseLinearSpike.apply(u)
        # The reset counts the spikes as constants: no gradient passes through the comparison.
        membrane[index] = integrated - threshold * (u > 0).to(u.dtype)
        self._count(index, spikes.detach())
        if observe:
            observe(Firing(self.layer_names[index], step, current, integrated, u, spikes))
        return spikes

    def _count(self, index: int, active: torch.Tensor) -> None:
        self.spike_count[index] = self.spike_count.get(index, 0) + active

    def _drop(self, index: int, module: nn.Module, spikes: torch.Tensor, mask: dict[int, torch.Tensor]) -> torch.Tensor:
        """`index` is that of the layer whose spikes they are."""
        if index not in mask:
            ones = torch.ones_like(spikes)
            mask[index] = self.given_mask(self.layer_names[index], ones.shape).to(ones.dtype) if self.given_mask else module(ones)
        return spikes * mask[index]


def spiking_network(network: Network, timesteps: int) -> SpikingVGG | SpikingResNet:
    return (SpikingResNet if network.residual else SpikingVGG)(network, timesteps)
