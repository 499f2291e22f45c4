"""Checkpoints between PyTorch and the package, for test/reference/checkpoints.test.ts.

    python checkpoints.py make OUT      writes files as torch.save does, and OUT/index.json: what is in each
    python checkpoints.py load FILE...  loads files that the package wrote, and prints what PyTorch finds in each

A tensor is described by its dtype, shape and the SHA-256 of its contiguous little-endian bytes.
"""

import collections
import hashlib
import json
import os
import pickle
import sys

import numpy
import torch
from torch import nn

FORMS = {"legacy": False, "zip": True}
DTYPES = "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool".split()
HALVES = "float64 float32 float16 bfloat16".split()


def describe(tensor: torch.Tensor) -> dict:
    content = tensor.detach().contiguous().reshape(-1)
    raw = content.view(torch.uint8).numpy().tobytes() if content.numel() else b""
    return {
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "shape": list(tensor.shape),
        "sha256": hashlib.sha256(raw).hexdigest(),
    }


def tensors(value: object, path: str = "") -> dict:
    if isinstance(value, torch.Tensor):
        return {path: describe(value)}
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    else:
        return {}
    found = {}
    for key, item in items:
        found |= tensors(item, f"{path}.{key}" if path else str(key))
    return found


def network() -> nn.Module:
    """Weights, counters of int64 and no dimensions, and running statistics that are no parameters."""
    return nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Linear(4, 10))


def values(dtype: str) -> torch.Tensor:
    wide = torch.randint(-100, 100, (3, 4))
    return wide > 0 if dtype == "bool" else wide.abs().to(torch.uint8) if dtype == "uint8" else wide.to(getattr(torch, dtype))


def objects() -> dict:
    model = network()
    optimizer = torch.optim.Adam(model.parameters())
    model[1](model[0](torch.rand(2, 3, 6, 6))).sum().backward()
    optimizer.step()
    base = torch.rand(4, 6)
    counted = nn.Parameter(base.clone())
    return {
        "dtypes": {dtype: values(dtype) for dtype in DTYPES},
        "views": {
            "base": base,
            "transposed": base.t(),
            "rows": base[1:3],
            "strided": base[::2, 1::3],
            "expanded": torch.rand(3, 1).expand(3, 5),
            "scalar": torch.tensor(1.5),
            "empty": torch.empty(0, 3),
            "wide": torch.empty(2, 0, 5, dtype=torch.int64),
            "channels_last": torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last),
        },
        "parameter": {"p": counted, "frozen": nn.Parameter(base, requires_grad=False), "again": counted},
        "special": {"s": torch.tensor([0.0, -0.0, float("inf"), -float("inf"), float("nan"), 1e-45, 3.4e38])},
        "state_dict": model.state_dict(),
        "nested": {"a": [base, {"b": (torch.arange(3), "text", 2**80, None, 1.5)}], "size": base.size()},
        "training": {
            "epoch": 3,
            "accuracy": 91.73,
            "state_dict": collections.OrderedDict((f"module.{key}", value) for key, value in model.state_dict().items()),
            "optimizer": optimizer.state_dict(),
        },
        # Every rounding there is: bits of all kinds, and both neighbours of ties.
        "halves": {"x": halves()},
    }


def halves() -> torch.Tensor:
    bits = torch.randint(-(2**31), 2**31, (200_000,)).to(torch.int32)
    ties = torch.arange(2**16).to(torch.int32)
    exponents = (torch.arange(256).to(torch.int32) << 23).repeat_interleave(64)
    edges = exponents | torch.tensor([0, 1, 0xFFF, 0x1000, 0x1001, 0x1FFF, 0x2000, 0x3000] * 8, dtype=torch.int32).repeat(256)
    # What becomes of a NaN's bits hangs on the processor and the number of values.
    every = torch.cat([bits, ties << 16, (ties << 16) | 0x8000, (ties << 16) | 0x7FFF, (ties << 16) | 0x8001, edges])
    numbers = every.view(torch.float32)
    return numbers[~numbers.isnan()]


def make(out: str) -> None:
    torch.manual_seed(3)
    index: dict = {"files": {}, "halves": {}, "foreign": {}}
    saved = objects()
    for name, value in saved.items():
        for form, zipped in FORMS.items():
            file = f"{name}-{form}.pt"
            torch.save(value, os.path.join(out, file), _use_new_zipfile_serialization=zipped)
            index["files"][file] = {"form": form, "tensors": tensors(value)}
    for dtype in HALVES:
        index["halves"][dtype] = describe(saved["halves"]["x"].to(getattr(torch, dtype)))

    def foreign(file: str, what: str) -> str:
        index["foreign"][file] = what
        return os.path.join(out, file)

    model = network().eval()
    torch.jit.script(nn.Linear(2, 2)).save(foreign("script.pt", "TorchScript"))
    torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.rand(1, 2),)), foreign("exported.pt2", "ExportedProgram"))
    for protocol in range(6):
        with open(foreign(f"numpy-{protocol}.pkl", "numpy"), "wb") as file:
            pickle.dump(numpy.arange(6.0).reshape(2, 3), file, protocol=protocol)
        with open(foreign(f"numpy-dict-{protocol}.pkl", "numpy"), "wb") as file:
            pickle.dump({"images": numpy.zeros((2, 3), "u1")}, file, protocol=protocol)
        with open(foreign(f"plain-{protocol}.pkl", "plain pickle"), "wb") as file:
            pickle.dump({"a": [1, 2.5, "text"]}, file, protocol=protocol)
    # A whole module: the archive names its classes, the stream holds their source code.
    torch.save(model, os.path.join(out, "module.pt"))
    torch.save(model, foreign("module-legacy.pt", "source code"), _use_new_zipfile_serialization=False)
    index["module"] = {
        f"_modules.{layer}.{'_parameters' if name in ('weight', 'bias') else '_buffers'}.{name}": describe(value)
        for (layer, name), value in ((key.split("."), value) for key, value in model.state_dict().items())
    }
    with open(os.path.join(out, "index.json"), "w") as file:
        json.dump(index, file)


def load(files: list[str]) -> None:
    found = {}
    for file in files:
        value = torch.load(file, weights_only=True)
        # The unrestricted loader has code paths of its own; the file is one that the test wrote.
        full = torch.load(file, weights_only=False)
        loaded = tensors(value)
        assert tensors(full) == loaded
        strict = None
        if "state_dict" in value:
            state = value["state_dict"]
            assert isinstance(state, collections.OrderedDict)
            model = network()
            if all(key.startswith("module.") for key in state):
                model = nn.DataParallel(model)
            model.load_state_dict(state, strict=True)
            strict = tensors(dict(model.state_dict()))
        optimizer = None
        if "optimizer" in value and isinstance(value["optimizer"], dict):
            fresh = torch.optim.Adam(network().parameters())
            fresh.load_state_dict(value["optimizer"])
            optimizer = len(fresh.state)
        scalars = {key: item for key, item in value.items() if isinstance(item, (int, float, str, bool, type(None)))}
        found[file] = {
            "tensors": loaded,
            "strict": strict,
            "optimizer": optimizer,
            "scalars": {key: repr(item) for key, item in scalars.items()},
            "tied": value["a"].data_ptr() == value["tied"].data_ptr() if "tied" in value else None,
        }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    make(arguments[0]) if command == "make" else load(arguments)
