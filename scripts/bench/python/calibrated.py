"""Writes the networks that the benchmark runs: initial weights, thresholds found layer by layer on real images.

Reads one JSON object from stdin:

    {"network": "64,A,128,128,A/4096,4096,100", "seed": 1, "percentile": 0.997, "timesteps": 8,
     "images": {"file": ..., "count": 32, "shape": [3, 32, 32]}, "mean": [...], "std": [...],
     "outputs": [{"scale": 0.6, "file": ...}, ...]}

All files hold the same weights and differ in what the found thresholds are multiplied by.
"""

import json
import os
import sys

import torch

from common import read_images
from calibration import calibrate
from snn import Network, SpikingVGG, save_checkpoint


def main() -> None:
    order = json.load(sys.stdin)
    images = read_images(order["images"])
    mean, std = (torch.tensor(order[name]).reshape(1, -1, 1, 1) for name in ("mean", "std"))
    network = Network.parse(order["network"], tuple(order["images"]["shape"]))
    model = SpikingVGG(network, order["timesteps"]).eval().requires_grad_(False)
    model.initialise(torch.Generator().manual_seed(order["seed"]))
    # Once: the thresholds found do not depend on what they are multiplied by afterwards.
    calibrate(model, (images - mean) / std, fraction=order["percentile"], scale=1.0)
    found = {name: threshold.clone() for name, threshold in model.threshold.items()}
    for output in order["outputs"]:
        for name, threshold in found.items():
            model.threshold[name].copy_(output["scale"] * threshold)
        # Renamed into place: a checkpoint is in the cache whole or not at all.
        partial = f"{output['file']}.{os.getpid()}.partial"
        save_checkpoint(model, partial)
        os.replace(partial, output["file"])
    json.dump({name: value.item() for name, value in found.items()}, sys.stdout)


if __name__ == "__main__":
    main()
