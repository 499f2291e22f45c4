"""Times the peers of the benchmark on a GPU: one JSON object a line, like those of `engine_parity bench`.

    python bench_peers.py FIXTURE

Each in float32 without TF32, as the engine computes, and with the TF32 that PyTorch allows its convolutions by default. A peer
that cannot be built or run is named with its error.
"""

import json
import os
import sys
import time

import torch

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(here, "..", "reference"), os.path.join(here, "..", "bench", "python")]

from peers import build, input_gradient
from snn import SpikingVGG, vgg5, vgg11

BATCHES = (1, 32, 128)
CONTENDERS = ("reference", "layers", "layers-compiled", "spikingjelly", "spikingjelly-cupy", "spikingjelly-triton")


def load(fixture: dict) -> SpikingVGG:
    network = {"VGG5": vgg5, "VGG11": vgg11}[fixture["name"]](fixture["logits"].shape[1])
    model = SpikingVGG(network, fixture["timesteps"]).eval().requires_grad_(False)
    state = {}
    indices = list(model.layer_names)
    parts = [(f"features.{i}", i) for i in range(len(model.features))]
    parts += [(f"classifier.{i}", len(model.features) + i) for i in range(len(model.classifier))]
    names = {index: name for name, index in parts}
    for index, layer in zip(indices, fixture["layers"], strict=True):
        if "weight" in layer:
            state[f"{names[index]}.weight"] = layer["weight"]
        if "threshold" in layer:
            state[f"threshold.t{index}"] = torch.tensor(layer["threshold"])
            state[f"leak.l{index}"] = torch.tensor(layer["leak"])
    model.load_state_dict(state, strict=True)
    return model


def median_seconds(work) -> float:
    seconds = []
    for repeat in range(7):
        torch.cuda.synchronize()
        started = time.perf_counter()
        work()
        torch.cuda.synchronize()
        if repeat >= 2:
            seconds.append(time.perf_counter() - started)
    return sorted(seconds)[2]


def main() -> None:
    fixture = torch.load(sys.argv[1], weights_only=True)
    for contender in CONTENDERS:
        for tf32 in (False, True):
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
            torch._dynamo.reset()
            torch._dynamo.config.recompile_limit = 256
            result = {"engine": contender + (" tf32" if tf32 else ""), "network": fixture["name"]}
            try:
                model = load(fixture).to("cuda")
                with torch.device("cuda"):
                    peer = build(contender, model, fixture["mean"], fixture["std"]).to("cuda")
                for batch in BATCHES:
                    repeats = -(-batch // len(fixture["images"]))
                    # From the host and back to it, as for the engine.
                    images = fixture["images"].repeat(repeats, 1, 1, 1)[:batch]
                    labels = fixture["labels"].repeat(repeats)[:batch]

                    def forward() -> None:
                        with torch.no_grad():
                            peer(images.to("cuda")).to("cpu")

                    def step() -> None:
                        input_gradient(peer, images.to("cuda"), labels.to("cuda")).to("cpu")

                    timed = {"batch": batch, "forward": median_seconds(forward), "step": median_seconds(step)}
                    print(json.dumps(result | timed), flush=True)
            except Exception as error:  # The others go on.
                text = str(error).strip().splitlines()
                print(json.dumps(result | {"error": f"{type(error).__name__}: {text[0] if text else ''}"}), flush=True)


if __name__ == "__main__":
    main()
