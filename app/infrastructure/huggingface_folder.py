"""Opens networks in folders of Hugging Face: from this disk, safetensors only, without a word on the terminal."""

import os
from pathlib import Path
from typing import Any

import torch

from app.errors import ModelError


def open_folder(kind: str, folder: Path, device: torch.device, dtype: torch.dtype) -> tuple[Any, Any]:
    """Load a network and its image processor.

    Args:
        kind: a class of transformers, such as CLIPModel.
        folder: config.json, preprocessor_config.json and safetensors.
        device: where the network goes.
        dtype: of its weights.

    Raises:
        ModelError: a file is missing or broken, or the folder holds a network of another kind.
    """
    import transformers

    # its checks of shapes wait for the card in every layer of some networks, and keep them out of CUDA graphs
    os.environ["TRANSFORMERS_DISABLE_TORCH_CHECK"] = "1"
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    try:
        model = getattr(transformers, kind).from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=dtype
        )
        processor = transformers.AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise ModelError(folder, f"transformers cannot load it as {kind}: {first_line(error)}") from error
    return model.to(device).eval(), processor


def first_line(error: Exception) -> str:
    """Return what a library says first of a fault."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
