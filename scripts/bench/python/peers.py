"""The benchmark's peers in PyTorch. Each maps images in [0, 1] to logits, [N, C, H, W] -> [N, classes], and is differentiable.

All are built from one `SpikingVGG` of scripts/reference that holds the checkpoint: they share its weights.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from snn import Firing, NormalisedClassifier, PiecewiseLinearSpike, SpikingVGG

Observer = Callable[[str, torch.Tensor], None]
"""Is given the name of a spiking layer and its spikes, [T, N, ...]."""


class StepByStep(nn.Module):
    """The reference as it is: time steps outside, layers inside, with all that the original does in a step."""

    def __init__(self, model: SpikingVGG, mean: list[float], std: list[float]):
        super().__init__()
        self.classifier = NormalisedClassifier(model, mean, std)

    def forward(self, images: torch.Tensor, observe: Observer | None = None) -> torch.Tensor:
        if observe is None:
            return self.classifier(images)
        steps: dict[str, list[torch.Tensor]] = {}

        def collect(firing: Firing) -> None:
            if firing.u is not None:
                steps.setdefault(firing.layer, []).append(firing.output.detach() != 0)

        logits = self.classifier(images, collect)
        for name, spikes in steps.items():
            observe(name, torch.stack(spikes))
        return logits


class _Normalised(nn.Module):
    def __init__(self, mean: list[float], std: list[float]):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).reshape(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).reshape(1, -1, 1, 1), persistent=False)

    def normalise(self, images: torch.Tensor) -> torch.Tensor:
        return (images - self.mean) / self.std


def fire(currents: torch.Tensor, threshold: torch.Tensor, leak: torch.Tensor) -> torch.Tensor:
    """The reference's neuron over all time steps: [T, ...] -> [T, ...]."""
    membrane = torch.zeros_like(currents[0])
    spikes = []
    # unbind, not currents[t]: the gradient of an index is as large as all time steps together.
    for current in currents.unbind(0):
        integrated = leak * membrane + current
        u = integrated / threshold - 1
        spikes.append(PiecewiseLinearSpike.apply(u))
        membrane = integrated - threshold * (u > 0).to(u.dtype)
    return torch.stack(spikes)


class LayerByLayer(_Normalised):
    """Each layer over all time steps at once, the first convolution once: what a PyTorch user writes who knows the network."""

    def __init__(self, model: SpikingVGG, mean: list[float], std: list[float], compiled: bool):
        super().__init__(mean, std)
        self.model = model.eval().requires_grad_(False)
        self.timesteps = model.timesteps
        self.fire = torch.compile(fire, dynamic=False) if compiled else fire

    def forward(self, images: torch.Tensor, observe: Observer | None = None) -> torch.Tensor:
        samples, timesteps = len(images), self.timesteps
        signal = self.normalise(images)
        offset = len(self.model.features)
        modules = [*self.model.features, *self.model.classifier]
        for index, module in enumerate(modules):
            if index == offset:
                signal = signal.flatten(1)
            if isinstance(module, nn.AvgPool2d):
                signal = module(signal)
            elif isinstance(module, (nn.Conv2d, nn.Linear)):
                currents = module(signal)
                if index == len(modules) - 1:
                    return currents.unflatten(0, (timesteps, samples)).sum(0)
                currents = (
                    currents.expand(timesteps, *currents.shape)
                    if index == 0
                    else currents.unflatten(0, (timesteps, samples))
                )
                threshold, leak = self.model.threshold[f"t{index}"], self.model.leak[f"l{index}"]
                spikes = self.fire(currents, threshold, leak)
                if observe:
                    observe(self.model.layer_names[index], spikes.detach() != 0)
                signal = spikes.flatten(0, 1)
        raise AssertionError("a network ends in a linear layer")


class SpikingJelly(_Normalised):
    """SpikingJelly in its multi-step mode, the first convolution once, spikes without the reset's gradient as in the original.

    Its neurons fire at >= where the original fires at >. Its triangle of height 1 / threshold is the original's surrogate without
    the factor 0.3: gradients differ by one factor for the whole network, and not in their signs.
    """

    def __init__(self, model: SpikingVGG, mean: list[float], std: list[float], backend: str = "torch"):
        from spikingjelly.activation_based import functional, layer, neuron, surrogate

        super().__init__(mean, std)
        self.timesteps = model.timesteps
        # Not named reset: reset_net calls every method of that name, from the outermost module on.
        self.forget = lambda: functional.reset_net(self)
        self.names: list[str] = []
        self.layers = nn.ModuleList()
        self.neurons = nn.ModuleList()
        self.how = "torch"
        offset = len(model.features)
        modules = [*model.features, *model.classifier]
        for index, module in enumerate(modules):
            if index == offset:
                self._append(layer.Flatten(step_mode="m"), None)
            if isinstance(module, nn.AvgPool2d):
                self._append(layer.AvgPool2d(2, 2, step_mode="m"), None)
            elif isinstance(module, nn.Conv2d):
                made = layer.Conv2d(
                    module.in_channels,
                    module.out_channels,
                    module.kernel_size,
                    padding=module.padding,
                    bias=False,
                    step_mode="s" if index == 0 else "m",
                )
                made.weight = module.weight
                self._append(made, index)
            elif isinstance(module, nn.Linear):
                made = layer.Linear(module.in_features, module.out_features, bias=False, step_mode="m")
                made.weight = module.weight
                self._append(made, index)
            if f"t{index}" not in model.threshold:
                continue
            threshold, leak = model.threshold[f"t{index}"].item(), model.leak[f"l{index}"].item()
            common = {
                "v_threshold": threshold,
                "v_reset": None,
                "surrogate_function": surrogate.PiecewiseQuadratic(alpha=1 / threshold),
                "detach_reset": True,
                "step_mode": "m",
            }
            # A leak of 1 is an IF neuron: LIF needs tau > 1.
            node = (
                neuron.IFNode(**common)
                if leak == 1
                else neuron.LIFNode(tau=1 / (1 - leak), decay_input=False, **common)
            )
            self.neurons[-1] = self._with_backend(node, backend)
            self.names[-1] = model.layer_names[index]
        self.requires_grad_(False)
        # In evaluation mode some versions fire by a plain step, which has no gradient.
        self.train()

    def _append(self, made: nn.Module, index: int | None) -> None:
        self.layers.append(made)
        self.neurons.append(nn.Identity())
        self.names.append("")

    def _with_backend(self, node: nn.Module, backend: str) -> nn.Module:
        """The node with the back end of that name; for inductor, where this version has none, torch.compile of the node."""
        if backend == "inductor" and "inductor" not in getattr(node, "supported_backends", ()):
            node.compile(dynamic=False)
            self.how = "torch.compile of each neuron layer; this version has no back end of the name"
        elif backend != "torch":
            node.backend = backend
            self.how = f"back end {backend} of the neurons"
        return node

    def forward(self, images: torch.Tensor, observe: Observer | None = None) -> torch.Tensor:
        self.forget()
        signal = self.normalise(images)
        for index, (name, made, node) in enumerate(zip(self.names, self.layers, self.neurons)):
            signal = made(signal)
            if index == 0:
                signal = signal.expand(self.timesteps, *signal.shape)
            if name:
                signal = node(signal)
                if observe:
                    observe(name, signal.detach() != 0)
        return signal.sum(0)


def build(contender: str, model: SpikingVGG, mean: list[float], std: list[float]) -> nn.Module:
    match contender:
        case "reference":
            return StepByStep(model, mean, std)
        case "layers":
            return LayerByLayer(model, mean, std, compiled=False)
        case "layers-compiled":
            return LayerByLayer(model, mean, std, compiled=True)
        case "spikingjelly":
            return SpikingJelly(model, mean, std)
        case "spikingjelly-inductor" | "spikingjelly-cupy" | "spikingjelly-triton":
            return SpikingJelly(model, mean, std, contender.removeprefix("spikingjelly-"))
    raise ValueError(f"Expected the name of a contender but found {contender}")


def input_gradient(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    images = images.detach().requires_grad_(True)
    loss = F.cross_entropy(model(images), labels, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, images)
    return gradient
