"""Exports a small spiking network from a framework to TorchScript, in the framework's own way and so that its surrogate stays.

    python frameworks.py plain|snntorch|spikingjelly|norse FOLDER

Writes FOLDER/NAME.ts.pt (neurons that fire by firing.py), FOLDER/NAME-own.ts.pt (the framework's own surrogate, traced; absent if
that fails) and FOLDER/NAME.json: the version, and what the framework itself gives for probe_images(): logits, and the gradient of the
summed cross-entropies with labels 0 to 7. `npm run test:reference` compares them with what hire-snn makes of the archives.
"""

import argparse
import json
import os
import warnings

import torch
from firing import fast_sigmoid, fire, fire_at_or_above, piecewise_linear, sigmoid, super_spike
from metadata import save_with_metadata
from torch import nn
from torch.nn import functional as F

TIMESTEPS = 4
IMAGES = 8
SHAPE = [3, 16, 16]


def probe_images() -> torch.Tensor:
    count = IMAGES * SHAPE[0] * SHAPE[1] * SHAPE[2]
    return ((torch.arange(count, dtype=torch.float64) * 0.61803398874989485) % 1).float().reshape(IMAGES, *SHAPE)


class Network(nn.Module):
    """Convolution, neurons, pool, linear layer; logits are sums over the time steps. Subclasses bring the neurons."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.convolution = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.linear = nn.Linear(8 * 16, 10, bias=False)
        with torch.no_grad():
            self.convolution.weight.normal_(0.05, 0.2, generator=generator)
            self.linear.weight.normal_(0, 0.3, generator=generator)

    def rest(self) -> None:
        """Puts the neurons at rest."""

    def neurons(self, current: torch.Tensor) -> torch.Tensor:
        """The spikes of one time step."""
        raise NotImplementedError

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.rest()
        logits = torch.zeros(1, dtype=images.dtype)
        for _ in range(TIMESTEPS):
            spikes = self.neurons(self.convolution(images))
            logits = logits + self.linear(F.avg_pool2d(spikes, 4).flatten(1))
        return logits


def plain(own: bool) -> tuple[Network, str]:
    class Spike(torch.autograd.Function):
        @staticmethod
        def forward(ctx, u):
            ctx.save_for_backward(u)
            return (u > 0).to(u.dtype)

        @staticmethod
        def backward(ctx, gradient):
            return piecewise_linear(ctx.saved_tensors[0]) * gradient

    class Plain(Network):
        def rest(self) -> None:
            self.membrane = torch.zeros(1)

        def neurons(self, current: torch.Tensor) -> torch.Tensor:
            membrane = 0.9 * self.membrane + current
            u = membrane - 1
            spikes = Spike.apply(u) if own else fire(u, piecewise_linear)
            self.membrane = membrane - spikes.detach()
            return spikes

    return Plain(), torch.__version__


def snntorch(own: bool) -> tuple[Network, str]:
    import snntorch as snn
    from snntorch import surrogate

    class SnnTorch(Network):
        def __init__(self) -> None:
            super().__init__()
            gradient = surrogate.fast_sigmoid(slope=25) if own else lambda u: fire(u, fast_sigmoid)
            # The reset of the previous time step's spikes is snnTorch's default.
            self.leaky = snn.Leaky(beta=0.9, spike_grad=gradient)

        def rest(self) -> None:
            self.membrane = torch.zeros(1)

        def neurons(self, current: torch.Tensor) -> torch.Tensor:
            spikes, self.membrane = self.leaky(current, self.membrane)
            return spikes

    return SnnTorch(), snn.__version__


def spikingjelly(own: bool) -> tuple[Network, str]:
    from importlib.metadata import version

    from spikingjelly.activation_based import functional, neuron, surrogate

    class Step(surrogate.Sigmoid):
        def forward(self, u: torch.Tensor) -> torch.Tensor:
            return fire_at_or_above(u, sigmoid)

    class SpikingJelly(Network):
        def __init__(self) -> None:
            super().__init__()
            self.lif = neuron.LIFNode(
                tau=2.0, v_reset=None, detach_reset=True, surrogate_function=(surrogate.Sigmoid if own else Step)()
            )

        def rest(self) -> None:
            functional.reset_net(self.lif)

        def neurons(self, current: torch.Tensor) -> torch.Tensor:
            return self.lif(current)

    # In evaluation mode its neurons fire by a plain step: the network is exported, and compared, in training mode.
    return SpikingJelly().train(), version("spikingjelly")


def norse(own: bool) -> tuple[Network, str]:
    from importlib.metadata import PackageNotFoundError, version

    import norse.torch.functional.lif_box as lif_box

    if not own:
        # The cells take a method by its name; the function behind the names is replaced.
        lif_box.threshold = lambda u, method, alpha: fire(u, super_spike)
    parameters = lif_box.LIFBoxParameters(tau_mem_inv=torch.as_tensor(500.0), method="super")

    class Norse(Network):
        def rest(self) -> None:
            self.state = lif_box.LIFBoxFeedForwardState(v=torch.zeros(1))

        def neurons(self, current: torch.Tensor) -> torch.Tensor:
            spikes, self.state = lif_box.lif_box_feed_forward_step(current, self.state, parameters)
            return spikes

    try:
        found = version("norse")
    except PackageNotFoundError:
        found = "unknown"
    return Norse(), found


FRAMEWORKS = {"plain": plain, "snntorch": snntorch, "spikingjelly": spikingjelly, "norse": norse}


def export(network: Network, path: str, framework: str) -> None:
    network.requires_grad_(False)
    # check_trace would run it again, with neurons that are no longer at rest in some frameworks.
    traced = torch.jit.trace(network, probe_images(), check_trace=False)
    network.rest()
    save_with_metadata(traced, path, inputShape=SHAPE, mean=[0, 0, 0], std=[1, 1, 1], network=f"small, {framework}")


def main() -> None:
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("framework", choices=sorted(FRAMEWORKS))
    parser.add_argument("folder")
    arguments = parser.parse_args()
    build, base = FRAMEWORKS[arguments.framework], os.path.join(arguments.folder, arguments.framework)

    network, version = build(own=True)
    images = probe_images().requires_grad_(True)
    logits = network(images)
    (gradient,) = torch.autograd.grad(F.cross_entropy(logits, torch.arange(IMAGES), reduction="sum"), images)
    record = {"version": version, "torch": torch.__version__, "own": "exported"}
    record |= {"logits": logits.flatten().tolist(), "gradient": gradient.flatten().tolist()}
    try:
        export(network, f"{base}-own.ts.pt", arguments.framework)
    except RuntimeError as error:
        record["own"] = str(error).strip().splitlines()[0]
        # What had been written of it.
        if os.path.exists(f"{base}-own.ts.pt"):
            os.remove(f"{base}-own.ts.pt")
    export(build(own=False)[0], f"{base}.ts.pt", arguments.framework)
    with open(f"{base}.json", "w") as file:
        json.dump(record, file)


if __name__ == "__main__":
    main()
