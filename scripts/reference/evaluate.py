"""White box on CIFAR as the original's test script runs it: clean, FGSM and PGD in batches of 32, one after the other.

    python evaluate.py CHECKPOINT vgg5|vgg11|resnet12 cifar10|cifar100 DATA --samples N [--threads N] [--seed N]

Prints JSON: correct predictions, seconds from the first batch on, and peak resident memory of the process.
"""

import argparse
import json
import resource
import sys
import time

import torch

from attacks import correct, fgsm, pgd
from cifar import Cifar
from resnet import resnet12, spiking_network
from snn import NormalisedClassifier, load_checkpoint, vgg5, vgg11

BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("checkpoint")
    parser.add_argument("network", choices=["vgg5", "vgg11", "resnet12"])
    parser.add_argument("dataset", choices=["cifar10", "cifar100"])
    parser.add_argument("data")
    parser.add_argument("--samples", type=int, required=True)
    parser.add_argument("--timesteps", type=int, default=8)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    data = Cifar(arguments.dataset, arguments.data)
    network = {"vgg5": vgg5, "vgg11": vgg11, "resnet12": resnet12}[arguments.network](data.classes)
    model = spiking_network(network, arguments.timesteps)
    load_checkpoint(model, arguments.checkpoint)
    classifier = NormalisedClassifier(model, data.mean, data.std)

    right = {"clean": 0, "fgsm": 0, "pgd": 0}
    started = time.monotonic()
    for first in range(0, arguments.samples, BATCH):
        images, labels = data.read(first, min(BATCH, arguments.samples - first))
        attacked = {
            "clean": images,
            "fgsm": fgsm(classifier, images, labels),
            "pgd": pgd(classifier, images, labels, first, arguments.seed),
        }
        for name, shown in attacked.items():
            right[name] += int(correct(classifier(shown), labels).sum())
        done = first + len(images)
        print(f"{done} of {arguments.samples}, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    seconds = time.monotonic() - started
    # Linux counts in KiB, macOS in bytes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"correct": right, "seconds": seconds, "peakBytes": peak, "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main()
