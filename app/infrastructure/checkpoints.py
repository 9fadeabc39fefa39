"""Reads the tensors of a checkpoint without running anything that it holds. Knows no network."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch

from app.errors import ModelError

NESTED = ("state_dict", "model", "model_state_dict")  # where trainers put the weights beside epoch and optimiser


def read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a .pt or .pth file by name, without the prefix that several cards leave.

    Raises:
        ModelError: the file is no checkpoint, holds objects besides tensors, or no tensors.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, KeyError, ValueError) as error:
        problem = "cannot be read as a checkpoint of tensors; files that hold other objects would run code, so save its"
        raise ModelError(path, f"{problem} state_dict() alone") from error
    for name in NESTED:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    tensors = content.items() if isinstance(content, Mapping) else ()
    weights = {
        str(name).removeprefix("module."): tensor for name, tensor in tensors if isinstance(tensor, torch.Tensor)
    }
    if not weights:
        raise ModelError(path, "holds no tensors by name")
    return weights
