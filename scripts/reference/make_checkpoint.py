"""Writes an untrained network in the original's form: initial weights, thresholds found on real images, a fitted last layer.

    python make_checkpoint.py vgg5|vgg11|vgg16|resnet12|resnet20 cifar10|cifar100 DATA FILE [--seed N]
"""

import argparse

from cifar import Cifar
from make_fixtures import fit_readout, make_model
from resnet import resnet12, resnet20
from snn import save_checkpoint, vgg5, vgg11, vgg16

NETWORKS = {"vgg5": vgg5, "vgg11": vgg11, "vgg16": vgg16, "resnet12": resnet12, "resnet20": resnet20}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("network", choices=list(NETWORKS))
    parser.add_argument("dataset", choices=["cifar10", "cifar100"])
    parser.add_argument("data")
    parser.add_argument("file")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    data = Cifar(arguments.dataset, arguments.data)
    model = make_model(NETWORKS[arguments.network](data.classes), data, arguments.seed)
    fit_readout(model, data)
    save_checkpoint(model, arguments.file)


if __name__ == "__main__":
    main()
