"""CIFAR-10 and CIFAR-100 from their binary folders, in file order."""

import os

import numpy as np
import torch

# file, label bytes before the pixels (the last one is the class), classes, mean, std
_SETS = {
    "cifar10": ("cifar-10-batches-bin/test_batch.bin", 1, 10, (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "cifar100": ("cifar-100-binary/test.bin", 2, 100, (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
}


class Cifar:
    def __init__(self, name: str, folder: str):
        self.name = name
        file, label_bytes, self.classes, mean, std = _SETS[name]
        self.mean, self.std = list(mean), list(std)
        record = label_bytes + 3 * 32 * 32
        content = np.fromfile(os.path.join(folder, file), dtype=np.uint8)
        if content.size != 10_000 * record:
            raise ValueError(f"Expected {10_000 * record} bytes in {file} but found {content.size}")
        self._records = content.reshape(10_000, record)
        self._label_bytes = label_bytes

    def read(self, start: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Images [count, 3, 32, 32] with pixels float32(byte) / 255, and labels."""
        records = self._records[start : start + count]
        pixels = torch.from_numpy(records[:, self._label_bytes :].copy()).reshape(-1, 3, 32, 32)
        labels = torch.from_numpy(records[:, self._label_bytes - 1].astype(np.int64))
        return pixels.to(torch.float32) / 255, labels

    def normalise(self, images: torch.Tensor) -> torch.Tensor:
        mean, std = (torch.tensor(value, dtype=images.dtype).reshape(1, 3, 1, 1) for value in (self.mean, self.std))
        return (images - mean) / std
