"""Runs detection transformers from Hugging Face folders (RT-DETR, RT-DETRv2, RF-DETR and kin) behind TorchDetector.

A folder holds config.json, preprocessor_config.json and safetensors; nothing is unpickled, fetched, or run from it.
Knows nothing of frames and cameras.
"""

from pathlib import Path
from typing import Any

import torch

from app.errors import ModelError
from app.infrastructure.huggingface_folder import open_folder
from app.infrastructure.torch_detector import NetworkTraits
from app.infrastructure.torch_device import Accelerator
from app.infrastructure.torch_pixels import Placement

# how a network's scores are read: each class for itself, or all against each other and "nothing", the last
SIGMOID = (
    "conditional_detr", "d_fine", "dab-detr", "deformable_detr", "deimv2", "lw_detr", "rf_detr", "rt_detr",
    "rt_detr_v2",
)  # fmt: skip
SOFTMAX = ("detr", "table-transformer")
SURE = 0.5  # default threshold of transformers' post_process_object_detection


class HuggingFaceNetwork:
    """Implements PeopleNetwork, with transformers' own loader and network.

    Args:
        folder: of the weights.
        accelerator: precision.
        device: where it runs.
        size: sides of its square input in pixels; None as the folder's preprocessing says.

    Raises:
        ModelError: the folder lacks a file, is no detector, or knows no people.
    """

    def __init__(self, folder: Path, accelerator: Accelerator, device: torch.device, size: int | None = None) -> None:
        model, processor = open_folder("AutoModelForObjectDetection", folder, device, accelerator.dtype)
        kind = model.config.model_type
        if kind not in SIGMOID + SOFTMAX:
            raise ModelError(folder, f"its kind {kind!r} is unknown here; known are {', '.join(SIGMOID + SOFTMAX)}")
        self._model = model
        self._sigmoid = kind in SIGMOID
        self._person = _person(model.config.id2label, folder)
        self._edges = None if size is not None else _edges(dict(processor.size))
        stretched = (size, size) if size is not None else _stretched(dict(processor.size))
        mean, deviation = (
            (processor.image_mean, processor.image_std) if processor.do_normalize else ((0.0,) * 3, (1.0,) * 3)
        )
        self._mean = torch.tensor(mean, dtype=accelerator.dtype, device=device)[:, None, None]
        self._deviation = torch.tensor(deviation, dtype=accelerator.dtype, device=device)[:, None, None]
        if stretched is None and self._edges is None:
            raise ModelError(folder, f"its preprocessing has size {dict(processor.size)}, of a kind unknown here")
        self.traits = NetworkTraits(stretched or (max(self._edges or (0,)),) * 2, SURE, None)

    def placement(self, region: tuple[int, int]) -> Placement:
        """Say where a region lies in the input: stretched to it, or its aspect kept."""
        size = self.traits.size
        if self._edges is not None:
            from transformers.image_transforms import get_size_with_aspect_ratio

            height, width = get_size_with_aspect_ratio((region[1], region[0]), *self._edges)
            size = (width, height)
        return Placement(size, size, antialias=True)

    def find(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Find people, with the confidences of post_process_object_detection."""
        found: Any = self._model(pixel_values=(images - self._mean) / self._deviation)
        logits, boxes = found.logits.float(), found.pred_boxes.float()
        half = boxes[..., 2:] / 2
        shares = torch.cat([boxes[..., :2] - half, boxes[..., :2] + half], dim=-1)
        sides = [side * images.shape[3 - i % 2] for i, side in enumerate(shares.unbind(-1))]
        xyxy = torch.stack(sides, dim=-1)
        if not self._sigmoid:
            classes = logits.softmax(-1)[..., :-1]
            return xyxy, classes[..., self._person] * (classes.argmax(-1) == self._person)
        scores = logits.sigmoid()
        least = scores.flatten(1).topk(scores.shape[1], dim=1).values[:, -1:]  # as many answers as queries, any class
        person = scores[..., self._person]
        return xyxy, person * (person >= least)


def _person(labels: dict[int, str], folder: Path) -> int:
    for number, name in labels.items():
        if name.lower() in {"person", "pedestrian", "people"}:
            return int(number)
    known = ", ".join(list(labels.values())[:5])
    raise ModelError(folder, f"none of its classes is called 'person'; it knows {known}")


def _stretched(size: dict[str, Any]) -> tuple[int, int] | None:
    if size.get("height") and size.get("width"):
        return int(size["width"]), int(size["height"])
    return None


def _edges(size: dict[str, Any]) -> tuple[int, int] | None:
    if size.get("shortest_edge") and size.get("longest_edge"):
        return int(size["shortest_edge"]), int(size["longest_edge"])
    return None
