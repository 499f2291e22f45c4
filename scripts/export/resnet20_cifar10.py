"""Puts Akamaster's ResNet-20 for CIFAR-10 into TorchScript, with its own mean and deviation (ImageNet's) in the archive.

    python resnet20_cifar10.py resnet20-12fca82f.th resnet20.ts.pt

The checkpoint is that of https://github.com/akamaster/pytorch_resnet_cifar10: a dict with a state_dict whose keys begin with
"module.". The network is that of He et al. 2016 (CIFAR version) with option A: shortcuts that pad channels with zeros.
"""

import argparse

import torch
from metadata import save_with_metadata
from torch import nn
from torch.nn import functional as F

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride = stride
        self.padding = (outputs - inputs) // 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        shortcut = x[:, :, :: self.stride, :: self.stride]
        if self.padding > 0:
            shortcut = F.pad(shortcut, [0, 0, 0, 0, self.padding, self.padding])
        return F.relu(out + shortcut)


class ResNet20(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(Block(16, 16, 1) for _ in range(3)))
        self.layer2 = nn.Sequential(Block(16, 32, 2), Block(32, 32, 1), Block(32, 32, 1))
        self.layer3 = nn.Sequential(Block(32, 64, 2), Block(64, 64, 1), Block(64, 64, 1))
        self.linear = nn.Linear(64, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn1(self.conv1(images)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean(dim=[2, 3]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("archive")
    arguments = parser.parse_args()
    state = torch.load(arguments.checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    model = ResNet20()
    model.load_state_dict({key.removeprefix("module."): value for key, value in state.items()}, strict=True)
    save_with_metadata(
        torch.jit.script(model.eval()),
        arguments.archive,
        inputShape=[3, 32, 32],
        mean=MEAN,
        std=STD,
        dataset="cifar10",
        network="ResNet-20 (akamaster)",
    )


if __name__ == "__main__":
    main()
