"""Runs CLIP, through open_clip or transformers, as one of the networks behind TorchEmbedder, and its text encoder.

A folder of weights says which library it is for: open_clip writes open_clip_config.json, transformers config.json.
Both load safetensors, and nothing is unpickled or fetched. Knows nothing of frames and people.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from app.domains.vocabulary import Embeddings
from app.errors import ModelError
from app.infrastructure.huggingface_folder import first_line, open_folder
from app.infrastructure.torch_device import Accelerator
from app.infrastructure.torch_embedder import Cosines, as_vectors
from app.infrastructure.torch_pixels import CropPlan

OPEN_CLIP_CONFIG = "open_clip_config.json"
# Not measured, for want of real CLIP weights: wide, so that geometry decides until cosines are learnt on the spot.
CLIP_COSINES: Cosines = (0.85, 0.08, 0.70, 0.10)
Fit = Literal["squash", "shortest", "longest"]


class OpenClipNetwork:
    """Implements LookNetwork and TextEncoder.

    Args:
        folder: holds open_clip_config.json and the weights, as open_clip's own hub folders do.
        accelerator: precision.
        device: where it runs.
        fit: how crops are brought to the input's shape; None as the folder's preprocessing says.

    Raises:
        ModelError: the folder lacks a file, or open_clip cannot read it.
    """

    def __init__(self, folder: Path, accelerator: Accelerator, device: torch.device, fit: Fit | None = None) -> None:
        import open_clip

        _refuse_missing(folder)
        source = f"local-dir:{folder}"
        try:
            model: Any = open_clip.create_model(source, device=device, pretrained_text=False, weights_only=True)
            self._tokenizer: Any = open_clip.get_tokenizer(source)
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise ModelError(folder, f"open_clip cannot load it: {first_line(error)}") from error
        self._model = model.to(device, accelerator.dtype).eval()
        self._device = device
        config = model.visual.preprocess_cfg
        height, width = (config["size"], config["size"]) if isinstance(config["size"], int) else config["size"]
        bilinear = config["interpolation"] == "bilinear"
        self.plan = CropPlan(
            (width, height),
            "bilinear" if bilinear else "bicubic",
            fit or config["resize_mode"],
            tuple(config["mean"]),
            tuple(config["std"]),
        )
        self.cosines = CLIP_COSINES
        self.dimension = _dimension(self, accelerator, device)

    def look(self, images: torch.Tensor) -> torch.Tensor:
        """Turn pictures into vectors."""
        vectors: torch.Tensor = self._model.encode_image(images)
        return vectors

    def describe(self, texts: Sequence[str]) -> Embeddings:
        """Turn words into unit vectors."""
        if not texts:
            return Embeddings(as_vectors(torch.zeros(0, self.dimension)))
        with torch.inference_mode():
            return Embeddings(as_vectors(self._model.encode_text(self._tokenizer(list(texts)).to(self._device))))


class TransformersClipNetwork:
    """Implements LookNetwork and TextEncoder.

    Args:
        folder: holds config.json of a CLIP, its weights, and preprocessor_config.json.
        accelerator: precision.
        device: where it runs.
        fit: how crops are brought to the input's shape; None as the folder's preprocessing says.

    Raises:
        ModelError: the folder lacks a file, or transformers cannot read it.
    """

    def __init__(self, folder: Path, accelerator: Accelerator, device: torch.device, fit: Fit | None = None) -> None:
        self._model, processor = open_folder("CLIPModel", folder, device, accelerator.dtype)
        self._folder = folder
        self._device = device
        self.plan = _transformers_plan(processor, fit, folder)
        self.cosines = CLIP_COSINES
        self.dimension = _dimension(self, accelerator, device)

    def look(self, images: torch.Tensor) -> torch.Tensor:
        """Turn pictures into vectors."""
        return _vectors(self._model.get_image_features(pixel_values=images))

    def describe(self, texts: Sequence[str]) -> Embeddings:
        """Turn words into unit vectors.

        Raises:
            ModelError: the folder holds no tokenizer.
        """
        from transformers import AutoTokenizer

        if not texts:
            return Embeddings(as_vectors(torch.zeros(0, self.dimension)))
        try:
            tokenizer: Any = AutoTokenizer.from_pretrained(self._folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise ModelError(self._folder, f"no tokenizer for words: {first_line(error)}") from error
        words = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt").to(self._device)
        with torch.inference_mode():
            return Embeddings(as_vectors(_vectors(self._model.get_text_features(**words))))


def _vectors(features: Any) -> torch.Tensor:  # noqa: ANN401 - a tensor, or transformers' output that holds it
    vectors: torch.Tensor = features if isinstance(features, torch.Tensor) else features.pooler_output
    return vectors


def _transformers_plan(processor: Any, fit: Fit | None, folder: Path) -> CropPlan:  # noqa: ANN401 - any image processor
    size, crop = dict(processor.size), dict(processor.crop_size or {})
    if processor.do_center_crop and "shortest_edge" in size and crop.get("height") == crop.get("width"):
        if size["shortest_edge"] != crop["height"] and fit is None:
            problem = "its crop_size is smaller than its shortest_edge, which SpotOn does not do; set embedder.fit"
            raise ModelError(folder, problem)
        own: Fit = "shortest"
        width, height = crop["width"], crop["height"]
    elif "height" in size and not processor.do_center_crop:
        own, width, height = "squash", size["width"], size["height"]
    else:
        raise ModelError(folder, f"its preprocessing (size {size}, crop_size {crop}) is of a kind unknown here")
    bilinear = int(processor.resample) == 2  # PIL.Image.Resampling.BILINEAR
    mean, deviation = tuple(processor.image_mean), tuple(processor.image_std)
    return CropPlan((width, height), "bilinear" if bilinear else "bicubic", fit or own, mean, deviation)


def _refuse_missing(folder: Path) -> None:
    """Refuse a folder without weights: open_clip would go on with random ones."""
    try:
        config = json.loads((folder / OPEN_CLIP_CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(folder / OPEN_CLIP_CONFIG, "missing or no JSON; fetch the folder again") from error
    if "model_cfg" not in config:
        raise ModelError(folder / OPEN_CLIP_CONFIG, "has no model_cfg")
    if not any(folder.glob("open_clip*.safetensors")) and not any(folder.glob("open_clip*.bin")):
        raise ModelError(folder, "holds no weights; open_clip_model.safetensors belongs beside open_clip_config.json")


def _dimension(network: Any, accelerator: Accelerator, device: torch.device) -> int:  # noqa: ANN401 - either of the above
    """Ask for the length of the vectors by looking at one grey picture."""
    width, height = network.plan.size
    with torch.inference_mode():
        return int(network.look(torch.zeros(1, 3, height, width, dtype=accelerator.dtype, device=device)).shape[1])
