"""Classifies a folder of the demo's procedural images with a checkpoint, by the reference network.

    python evaluate_shapes.py CHECKPOINT FOLDER

What the checkpoint does not hold stands in the network file beside it. Prints JSON: how many of the images are classified correctly.
"""

import argparse
import json
import os

import numpy as np
import torch

from attacks import correct
from snn import Network, NormalisedClassifier, SpikingVGG, load_checkpoint


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("checkpoint")
    parser.add_argument("folder")
    arguments = parser.parse_args()
    with open(arguments.checkpoint.removesuffix(".pt") + ".network.json") as file:
        described = json.load(file)
    shape = tuple(described["inputShape"])
    model = SpikingVGG(Network.parse(described["network"], shape), described["timesteps"])
    load_checkpoint(model, arguments.checkpoint)
    classifier = NormalisedClassifier(model, described["mean"], described["std"])
    records = np.fromfile(os.path.join(arguments.folder, "images.bin"), dtype=np.uint8).reshape(-1, 1 + int(np.prod(shape)))
    labels = torch.from_numpy(records[:, 0].astype(np.int64))
    images = torch.from_numpy(records[:, 1:].copy()).reshape(-1, *shape).to(torch.float32) / 255
    right = sum(
        int(correct(classifier(batch), names).sum()) for batch, names in zip(images.split(32), labels.split(32), strict=True)
    )
    print(json.dumps({"correct": right, "images": len(labels)}))


if __name__ == "__main__":
    main()
