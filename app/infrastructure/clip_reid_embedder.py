"""CLIP-ReID (Li et al., AAAI 2023) as one of the networks behind TorchEmbedder, from a checkpoint of its authors' code.

The vision transformer is open_clip's; depth, width and grid follow from the weights. Knows nothing of frames.
"""

import logging
from pathlib import Path
from typing import Any

import torch

from app.errors import ModelError
from app.infrastructure.clip_embedder import CLIP_COSINES
from app.infrastructure.torch_device import Accelerator
from app.infrastructure.torch_pixels import CropPlan

ENCODER = "image_encoder."
SIZE = (128, 256)  # width and height, configs/person of github.com/Syliz517/CLIP-ReID @4c0eb20
HALF = (0.5, 0.5, 0.5)  # its PIXEL_MEAN and PIXEL_STD
HEAD_WIDTH = 64  # of every CLIP
STRIDES = (16, 12)  # plain, and with overlapping patches
_log = logging.getLogger(__name__)


def is_clip_reid(weights: dict[str, torch.Tensor]) -> bool:
    """Say whether a checkpoint's names are those of CLIP-ReID."""
    return f"{ENCODER}conv1.weight" in weights


class ClipReidNetwork:
    """Implements LookNetwork: features before and after CLIP's projection, side by side, as its authors test it.

    Args:
        weights: by the authors' names; prompts, text encoder and classifiers are left aside.
        path: named in errors.
        accelerator: precision.
        device: where it runs.

    Raises:
        ModelError: the backbone is no vision transformer, its grid fits no 256 x 128 picture, or a weight is missing.
    """

    def __init__(
        self, weights: dict[str, torch.Tensor], path: Path, accelerator: Accelerator, device: torch.device
    ) -> None:
        encoder = {name.removeprefix(ENCODER): tensor for name, tensor in weights.items() if name.startswith(ENCODER)}
        if "positional_embedding" not in encoder or "proj" not in encoder:
            raise ModelError(path, "CLIP-ReID with another backbone than ViT; SpotOn has the ViT")
        if "cv_embed" in weights:
            _log.warning("%s: trained with its own cameras as side information, which other cameras do not have", path)
        self._projection = encoder.pop("proj").to(device, accelerator.dtype)
        self._tower = _tower(encoder, path).to(device, accelerator.dtype).eval()
        self.plan = CropPlan(SIZE, "bilinear", "squash", HALF, HALF)
        self.cosines = CLIP_COSINES
        self.dimension = sum(self._projection.shape)

    def look(self, images: torch.Tensor) -> torch.Tensor:
        """Turn pictures into vectors."""
        features: torch.Tensor = self._tower(images)
        return torch.cat([features, features @ self._projection], dim=1)


def _tower(encoder: dict[str, torch.Tensor], path: Path) -> Any:  # noqa: ANN401 - open_clip's transformer
    from open_clip.transformer import QuickGELU, VisionTransformer

    width, _, patch, _ = encoder["conv1.weight"].shape
    places = len(encoder["positional_embedding"]) - 1
    grids = {stride: tuple((side - patch) // stride + 1 for side in reversed(SIZE)) for stride in STRIDES}
    stride = next((stride for stride, (rows, columns) in grids.items() if rows * columns == places), None)
    if stride is None:
        raise ModelError(path, f"its {places} places are no grid over 256 x 128 pixels with stride 16 or 12")
    rows, columns = grids[stride]
    tower = VisionTransformer(
        image_size=(rows * patch, columns * patch),
        patch_size=patch,
        width=width,
        layers=sum(name.endswith("attn.in_proj_weight") for name in encoder),
        heads=width // HEAD_WIDTH,
        mlp_ratio=4.0,
        act_layer=QuickGELU,
    )
    tower.proj = None
    tower.conv1.stride = (stride, stride)
    try:
        tower.load_state_dict(encoder)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ModelError(path, f"its weights fit no vision transformer of CLIP: {reason[:200]}") from error
    return tower
