"""What the benchmark's Python programs share; puts the reference (scripts/reference) on the path."""

import os
import sys

import numpy as np
import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "reference"))


def read_images(described: dict) -> torch.Tensor:
    """[count, C, H, W], pixels in [0, 1], from the raw float32 file that the package's data set reader filled."""
    count, shape = described["count"], described["shape"]
    values = np.fromfile(described["file"], dtype="<f4", count=count * int(np.prod(shape)))
    return torch.from_numpy(values.astype(np.float32, copy=False)).reshape(count, *shape)


def read_labels(described: dict) -> torch.Tensor:
    return torch.from_numpy(np.fromfile(described["file"], dtype="<i4", count=described["count"]).astype(np.int64))


def process_memory() -> dict[str, int]:
    """Resident bytes of this process, now and at most.

    Not ru_maxrss: on Linux that of a new process begins with its parent's.
    """
    found = {}
    try:
        with open("/proc/self/status") as status:
            for line in status:
                name, _, value = line.partition(":")
                if name in ("VmRSS", "VmHWM"):
                    found[name] = int(value.split()[0]) * 1024
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return {"residentBytes": 0, "peakBytes": peak}
    return {"residentBytes": found["VmRSS"], "peakBytes": found["VmHWM"]}
