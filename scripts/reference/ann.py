"""The ANN twin in plain PyTorch: the modules of a spiking network as they stand, with their rectified linear units."""

from collections.abc import Callable

import torch
from torch import nn

from resnet import SpikingResNet
from snn import Network, SpikingVGG

Observer = Callable[[str, torch.Tensor], None]


class Ann(nn.Module):
    """Logits of normalised images. Its state_dict has the weights alone, under the keys of the spiking network."""

    def __init__(self, network: Network):
        super().__init__()
        model = (SpikingResNet if network.residual else SpikingVGG)(network, timesteps=1)
        self.network = network
        self.layer_names = model.layer_names
        for name, child in model.named_children():
            if name not in ("threshold", "leak"):
                setattr(self, name, child)

    def forward(self, images: torch.Tensor, observe: Observer | None = None) -> torch.Tensor:
        """`observe` sees what each layer but the last gives, behind its rectifier or pool."""
        names = iter(self.layer_names.values())

        def watched(values: torch.Tensor) -> torch.Tensor:
            name = next(names)
            if observe:
                observe(name, values)
            return values

        out = images
        front = self.pre_process if self.network.residual else self.features
        for module in front:
            out = module(out)
            if isinstance(module, (nn.ReLU, nn.AvgPool2d)):
                out = watched(out)
        for layer in range(len(self.network.residual)):
            for block in getattr(self, f"layer{layer + 1}"):
                middle = watched(block.residual[:2](out))
                out = watched(torch.relu(block.residual[2:](middle) + block.identity(out)))
        out = out.flatten(1)
        for module in self.classifier:
            out = module(out)
            if isinstance(module, nn.ReLU):
                out = watched(out)
        return out
