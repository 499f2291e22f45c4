"""How a TorchScript archive is told to `hire-snn evaluate`: by an extra file in it. See docs/torchscript.md."""

import json

import torch


def save_with_metadata(module: torch.jit.ScriptModule, path: str, **metadata: object) -> None:
    """Writes an archive with `hire-snn.json` in it: inputShape [C, H, W], mean and std per channel, normalisation, dataset, ..."""
    text = json.dumps({"schemaVersion": 1, **metadata}, indent=2)
    torch.jit.save(module, path, _extra_files={"hire-snn.json": text})
